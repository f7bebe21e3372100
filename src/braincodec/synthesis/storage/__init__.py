"""Where a synthesis writes: places, arrays block by block, records, and how a store is finished."""
