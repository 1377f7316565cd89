import type { RootFile } from './root-tree.ts'
export async function agentFiles(): Promise<RootFile[]> {
  return [
    {
      path: 'usr/local/sbin/kvmio-agent',
      mode: 0o755,
      content:
        '#!/bin/sh\nread -r up idle </proc/uptime; echo "kvmio 1 $up phase boot" >/dev/ttyS1; systemd-analyze >/dev/ttyS1;  systemd-analyze blame | head -20 >/dev/ttyS1; systemd-analyze critical-chain >/dev/ttyS1; modprobe qemu_fw_cfg; ls -R /sys/firmware/qemu_fw_cfg/by_name >/dev/ttyS1; free -m >/dev/ttyS1; df -h >/dev/ttyS1; systemctl poweroff\n',
    },
    {
      path: 'etc/systemd/system/kvmio.service',
      content:
        '[Unit]\nAfter=multi-user.target\n[Service]\nExecStart=/usr/local/sbin/kvmio-agent\n',
    },
    {
      path: 'etc/systemd/system/multi-user.target.wants/kvmio.service',
      target: '/etc/systemd/system/kvmio.service',
    },
  ]
}
