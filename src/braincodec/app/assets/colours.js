// Blue, white, red (ColorBrewer's RdBu, reversed): the colours that braincodec's figures use around zero.
const ANCHORS = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];
const STEPS = 256;

// 256 colours, red, green and blue one after the other
export const TABLE = new Uint8Array(3 * STEPS);
for (let step = 0; step < STEPS; step += 1) {
  const place = (step / (STEPS - 1)) * (ANCHORS.length - 1);
  const left = Math.min(Math.floor(place), ANCHORS.length - 2);
  for (let part = 0; part < 3; part += 1) {
    const [a, b] = [ANCHORS[left][part], ANCHORS[left + 1][part]];
    TABLE[3 * step + part] = Math.round(a + (b - a) * (place - left));
  }
}

// where in TABLE the colour of a value begins
export function placeOf(value, low, high) {
  const part = (value - low) / (high - low || 1);
  return 3 * Math.max(0, Math.min(STEPS - 1, Math.round(part * (STEPS - 1))));
}

// numbers that Python packed as base64 of int16: value = whole / 32767 * scale, -32768 is no number
export function unpack({data, scale}) {
  const whole = new Int16Array(bytes(data).buffer);
  return Float32Array.from(whole, (number) => (number === -32768 ? NaN : (number / 32767) * scale));
}

export function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export function signed(value, digits = 2) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}
