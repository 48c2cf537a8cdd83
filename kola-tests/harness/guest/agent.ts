import { readFileSync } from 'node:fs';
import { dataUrl, type IgnitionConfig } from './ignition.ts';

const SCRIPT_PATH = '/etc/draisine-kola/agent';
const UNIT = `[Unit]
Description=Guest channel of the test harness
DefaultDependencies=no
After=local-fs.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/bin/bash ${SCRIPT_PATH}
Environment=HOME=/root
Restart=always
RestartSec=1
OOMScoreAdjust=-900
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;

/** Adds the agent to a config. This is the only way for test code to get into a machine. */
export function withAgent(config: IgnitionConfig): IgnitionConfig {
  const script = readFileSync(new URL('agent.sh', import.meta.url));
  const file = {
    path: SCRIPT_PATH,
    mode: 0o755,
    contents: { source: dataUrl(script) },
  };
  const unit = { name: 'draisine-kola.service', enabled: true, contents: UNIT };
  return {
    ...config,
    storage: { ...config.storage, files: [...(config.storage?.files ?? []), file] },
    systemd: { ...config.systemd, units: [...(config.systemd?.units ?? []), unit] },
  };
}
