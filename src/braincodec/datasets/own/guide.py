"""How to lay out one's own recordings, in words and by an example."""

GUIDE = """\
your own files. A folder such as

    my-study/
      images/cat_01.png ...            or images.zip, images.h5, images.npz, images.npy
      responses/sub-01.npy ...         (trials, units); or one file; also .npz .mat .h5 .nii.gz .csv .nc .zarr .fif
      trials.csv                       one row a trial:

        stimulus,subject,session,split,category
        cat_01,01,1,train,animal
        dog_07,01,1,test,animal

      units.csv                        optional, one row a unit: i,j,k or vertex,hemisphere; roi; anything else
      mask.nii.gz, rois/V1.nii.gz      optional, for volumes
      dataset.json                     optional: {"title": "my-study", "licence": "CC-BY-4.0", "citation": "..."}

opens with load_dataset("own", "my-study/"). Files elsewhere: load_dataset("own", table="trials.csv",
images="pictures/", responses="betas/sub-{subject}.npy"). Row k of a subject's responses belongs to the subject's k-th
row of the table, unless its column response says otherwise (a number from 0, or a file name)"""
