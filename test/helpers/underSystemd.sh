# Runs deploy/wa-b2bua.service under a systemd of its own, on a copy of this machine that is gone afterwards: namespaces of mounts, processes and
# network, this machine's files below an overlay. To be run by `unshare -m -p -C -i -u -n -f --kill-child`; needs root.
#   underSystemd.sh WORK REPOSITORY     WORK has: dist (the build), wa-b2bua.yaml, change.sh (run in the copy's /), probe.sh (run once the unit is up)
# What probe.sh says is in WORK/said. Exit status 77: this machine cannot.
W=$1; REPO=$2; R=$W/ov/root
ip link set lo up && ip addr add 10.0.0.4/32 dev lo || exit 77
mkdir -p "$W/ov" && mount -t tmpfs tmpfs "$W/ov" && mkdir -p "$W/ov/u" "$W/ov/w" "$R" || exit 77
mount -t overlay overlay -o "lowerdir=/,upperdir=$W/ov/u,workdir=$W/ov/w" "$R" || exit 77
mkdir -p "$R/opt/wa-b2bua/node_modules" "$R/etc/wa-b2bua" "$R/said"
cp -r "$W/dist" "$REPO/package.json" "$REPO/config" "$REPO/freeswitch" "$R/opt/wa-b2bua/"
mount --bind "$(readlink -f "$REPO/node_modules")" "$R/opt/wa-b2bua/node_modules" || exit 77
mount --bind "$W" "$R/said" || exit 77
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=sbc.example.net -addext subjectAltName=DNS:sbc.example.net -keyout "$R/etc/wa-b2bua/key.pem" -out "$R/etc/wa-b2bua/fullchain.pem" 2>/dev/null
cp "$W/wa-b2bua.yaml" "$R/etc/wa-b2bua/"
echo 'WA_PASSWORD=n0t-a-secret' > "$R/etc/wa-b2bua/env"
chmod 0600 "$R/etc/wa-b2bua/key.pem" "$R/etc/wa-b2bua/env"
cp "$REPO/deploy/wa-b2bua.service" "$R/etc/systemd/system/"
(cd "$R" && . "$W/change.sh")
cat > "$R/etc/systemd/system/probe.service" <<'U'
[Service]
Type=oneshot
StandardOutput=file:/said/said
StandardError=inherit
ExecStart=/bin/sh /said/probe.sh
ExecStopPost=/bin/systemctl poweroff --force
U
printf '[Unit]\nWants=wa-b2bua.service probe.service\n' > "$R/etc/systemd/system/probe.target"
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service systemd-resolved.service systemd-logind.service systemd-timesyncd.service systemd-modules-load.service \
  systemd-sysctl.service systemd-random-seed.service systemd-remount-fs.service systemd-binfmt.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  proc-sys-fs-binfmt_misc.automount; do ln -sf /dev/null "$R/etc/systemd/system/$unit"; done
mount -t proc proc "$R/proc" && mount --rbind /dev "$R/dev" && mount -t tmpfs tmpfs "$R/run" && mount -t tmpfs tmpfs "$R/tmp" && mount -t sysfs sysfs "$R/sys" && mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup" || exit 77
mkdir -p "$R/old" && cd "$R" && pivot_root . old && umount -l /old && mount --make-rshared / || exit 77
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=lxc /lib/systemd/systemd --system --unit=probe.target --log-target=console
