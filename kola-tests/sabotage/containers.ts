import { deafTo } from '../fixtures/lying.ts';
import { dataUrl } from '../harness/guest/ignition.ts';
import type { Sabotage } from '../harness/run/sabotage.ts';

/** Sets an option of podman for all containers, in a drop-in file of containers.conf(5). */
const containers = (settings: string): string =>
  `mkdir -p /etc/containers/containers.conf.d && printf '[containers]\\n${settings}\\n' >/etc/containers/containers.conf.d/99-sabotage.conf`;

/** Faults of containers. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'podman.no-ranges',
    what: 'there are no user ids for containers with --userns=auto',
    tests: ['podman.userns-auto'],
    because: /podman run .*--userns=auto/,
    guest: 'sed -i /^containers:/d /etc/subuid /etc/subgid',
  },
  {
    name: 'podman.all-capabilities',
    what: 'containers have all capabilities that root has on the host',
    tests: ['podman.confinement'],
    because: /CapEff/,
    guest: containers('default_capabilities = ["CHOWN", "SYS_ADMIN", "NET_ADMIN"]'),
  },
  {
    name: 'podman.no-seccomp',
    what: 'no system call is forbidden to containers',
    tests: ['podman.confinement'],
    because: /Seccomp/,
    guest: containers('seccomp_profile = "unconfined"'),
  },
  {
    name: 'podman.host-pids',
    what: 'containers see the processes of the host',
    tests: ['container.run'],
    because: /^AssertionError.*'1'/s,
    guest: containers('pidns = "host"'),
  },
  {
    name: 'podman.log-elsewhere',
    what: 'logs of containers are not in the journal',
    tests: ['podman.exec-logs'],
    because: /regular expression \/\^to-stdout\$\/m|exit 1 of: journalctl --output=cat CONTAINER_NAME=one/,
    guest: containers('log_driver = "k8s-file"'),
  },
  {
    name: 'podman.no-name-server',
    what: 'aardvark-dns is missing',
    tests: ['podman.dns-between-containers'],
    because: /bad address 'web'|netavark.*aardvark|exit 1 of: pgrep -x aardvark-dns/,
    guest: 'mount --bind /usr/bin/true /usr/lib/podman/aardvark-dns',
  },
  {
    name: 'podman.no-limits',
    what: 'containers have no limits of memory and processes',
    tests: ['podman.limits'],
    because: /33554432/,
    guest: deafTo('podman', '--memory=*|--memory-swap=*|--pids-limit=*|--cpus=*) ;;'),
  },
  {
    name: 'podman.no-restart',
    what: 'a container that fails is not started again',
    tests: ['podman.restart-policy'],
    because: /'exited 2 3'/,
    limitFactor: 0.1,
    guest: deafTo('podman', '--restart=*) ;;'),
  },
  {
    name: 'podman.writable-volume',
    what: 'a container can write to a read-only volume',
    tests: ['podman.volume'],
    because: /^AssertionError.*Read-only file system/s,
    guest: deafTo('podman', '--volume=*:ro) args+=("$(sed s/:ro$// <<<"$arg")") ;;'),
  },
  {
    name: 'podman.writable-root',
    what: 'the root file system of a container is never read-only',
    tests: ['podman.read-only'],
    because: /^AssertionError.*Read-only file system/s,
    guest: deafTo('podman', '--read-only) ;;'),
  },
  {
    name: 'podman.root-is-root',
    what: 'root of a container is root of the host',
    tests: ['podman.userns'],
    because: /^AssertionError.*65536/s,
    guest: deafTo('podman', '--uidmap=*|--gidmap=*) ;;'),
  },
  {
    name: 'podman.images-refused',
    what: 'the policy of the machine refuses all images',
    tests: ['podman.save-load'],
    because: /podman (save|load)/,
    guest: `mkdir -p /etc/containers && echo '{ "default": [{ "type": "reject" }] }' >/etc/containers/policy.json`,
  },
  {
    name: 'podman.wrong-build',
    what: 'a build ignores the user of its image',
    tests: ['podman.build'],
    because: /^AssertionError.*33/s,
    guest: deafTo('podman', 'localhost/built) args+=(--user=0 "$arg") ;;').replace(
      'exec "$real"',
      '[ "$1" = build ] && exec "$real" "$@"\nexec "$real"',
    ),
  },
  {
    name: 'podman.killed',
    what: 'a container is killed instead of stopped',
    tests: ['podman.stop-signal'],
    because: /^AssertionError.*'137'/s,
    guest: deafTo('podman', '--time=60) args+=(--time=0) ;;'),
  },
  {
    name: 'podman.open-network',
    what: 'an internal network has a way out',
    tests: ['podman.isolated-network'],
    because: /^AssertionError.*default/s,
    guest: deafTo('podman', '--internal) ;;'),
  },
  {
    name: 'podman.apart',
    what: 'the containers of a pod have networks of their own',
    tests: ['podman.pod'],
    because: /wget/,
    guest: deafTo('podman', '--pod=*) args+=(--network=none) ;;'),
  },
  {
    name: 'podman.any-certificate',
    what: 'podman accepts every certificate of a registry',
    tests: ['podman.registry'],
    because: /should have failed: podman push/,
    guest: deafTo('podman', 'push) args+=(push --tls-verify=false) ;;'),
  },
  {
    name: 'podman.no-health-checks',
    what: 'health checks of containers never run',
    tests: ['podman.health'],
    because: /container web is unhealthy/,
    limitFactor: 0.1,
    guest: deafTo('podman', '--health-*) ;;'),
  },
  {
    name: 'podman.no-user-ids',
    what: 'a new user gets no user ids for containers',
    tests: ['podman.rootless'],
    because: /subuid/,
    guest: "sed -i '/^SUB_UID_COUNT/d' /etc/login.defs && echo 'SUB_UID_COUNT 0' >>/etc/login.defs",
  },
  {
    name: 'podman.no-user-namespaces',
    what: 'the kernel allows no user name spaces',
    tests: ['kernel.containers'],
    because: /no user name spaces/,
    guest: 'sysctl --quiet --write user.max_user_namespaces=0',
  },
  {
    name: 'quadlet.broken',
    what: 'the quadlet names an image that does not exist',
    tests: ['container.quadlet'],
    because: /web\.service/,
    config: {
      files: [
        {
          path: '/etc/containers/systemd/web.container.d/99-sabotage.conf',
          mode: 0o644,
          contents: { source: dataUrl('[Container]\nImage=localhost/sabotage\n') },
        },
      ],
    },
  },
];

export default sabotages;
