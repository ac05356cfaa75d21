# Read by bash before each line of monitoring/crontab (BASH_ENV): exports what /etc/cdcproof/environment says.
set -a
. "${CDCPROOF_ENVIRONMENT:-/etc/cdcproof/environment}"
set +a
