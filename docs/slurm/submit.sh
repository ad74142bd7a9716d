#!/bin/bash
mld=$(sbatch --parsable array.sh MLd)
field_l=$(sbatch --parsable array.sh Field_L)
sbatch --dependency=afterok:"$mld":"$field_l" collect.sh
