# bash reads this for the commands of ssh, which are no login shells.
# shellcheck shell=bash source=profile
. /etc/profile
