# What slurm-up and slurm-down share (sourced by both).
# shellcheck shell=bash disable=SC2034
set -euo pipefail
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

DIR=${SLURM_LOCAL_DIR:-/tmp/gam-bench-slurm}
CONF=$DIR/etc/slurm.conf LOG=$DIR/log
HOSTS_MARK="# gam-bench slurm $DIR"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { # die MESSAGE [LOG FILE]
  say "error: $1"
  if [ -s "${2:-}" ]; then
    say "the end of $2:"
    tail -n 15 "$2" >&2
  fi
  exit 1
}

# A daemon is known by its environment, which holds SLURM_LOCAL=FOLDER:NAME. That needs no pid files, never means a
# stranger's process, and finds a slurmd's slurmstepds too, which inherit it.
pids() { # pids NAME [COMMAND]: the processes that daemon NAME started; only those of that command name
  local file pid
  for file in $(grep -lzxF "SLURM_LOCAL=$DIR:$1" /proc/[0-9]*/environ 2>/dev/null || true); do
    pid=${file//[!0-9]/}
    if [ -z "${2:-}" ] || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]; then echo "$pid"; fi
  done
}
alive() { [ -n "$(pids "$1" "${1%%-*}")" ]; } # alive NAME (slurmd-n1 runs the command slurmd)

[ "$(id -u)" = 0 ] || die "must run as root: SLURM's daemons start processes for other users"
[[ $DIR =~ ^/[A-Za-z0-9/._-]+$ ]] || die "SLURM_LOCAL_DIR must be an absolute path of plain characters, not '$DIR'"
