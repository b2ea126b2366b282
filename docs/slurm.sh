#!/bin/bash
# Trains on 4 machines by `sbatch docs/slurm.sh`. JAX finds the others by SLURM's variables. Not run by its authors on a
# cluster: see scale.md for what was.
#SBATCH --job-name=flaxdigits
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1          # a process for each machine, with all its devices
#SBATCH --requeue                    # after a preemption the same command runs again ...
#SBATCH --signal=TERM@60             # ... and a minute before the time limit the state is saved
#SBATCH --time=02:00:00

# On a disk that all machines see; --if-exists resume starts the run or resumes it.
srun .venv/bin/flaxdigits train --distributed --preset record --out /shared/runs/mine --if-exists resume
