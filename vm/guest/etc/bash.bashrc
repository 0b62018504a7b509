# bash reads this for the commands of ssh, which are no login shells.
. /etc/profile
