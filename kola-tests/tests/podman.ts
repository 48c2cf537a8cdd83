import assert from 'node:assert/strict';
import { shellQuote } from '../../sdk/lib/shell.ts';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { register } from '../harness/run/register.ts';

const machines = { box: { prepare: busybox } };

/** The command that runs a container of the test image. It has no network unless `options` name one: that is quicker. */
function run(options: string, command: string): string {
  const network = /--(network|publish|pod)\b/.test(options) ? '' : '--network=none ';
  return `podman run ${network}--entrypoint=/bin/busybox ${options} ${BUSYBOX} ${command}`;
}

/** A container that prints `prepared` once it handles SIGTERM. */
const FOREVER = 'sh -c \'trap "exit 0" TERM; echo prepared; while :; do sleep 1; done\'';

register(
  {
    name: 'podman.exec-logs',
    what: 'Commands run inside a container, and the output of a container is in the journal.',
    machines,
  },
  async (_t, { box }) => {
    await box.succeed(
      run('--detach --name=one', "sh -c 'echo to-stdout; echo to-stderr >&2; exec sleep 10000'"),
    );
    assert.equal(
      await box.succeed("echo in | podman exec --interactive one sh -c 'cat; hostname' | head -n 1"),
      'in',
    );
    assert.equal((await box.execute("podman exec one sh -c 'exit 7'")).code, 7);

    const logs = await box.retry(async () => {
      const found = await box.execute('podman logs one');
      assert.equal(found.stdout, 'to-stdout');
      return found;
    });
    assert.equal(logs.stderr, 'to-stderr');
    // Containers log to the journal: there is one place to look, and one bound on its size.
    assert.match(await box.succeed('journalctl --output=cat CONTAINER_NAME=one'), /^to-stdout$/m);

    await box.succeed('podman rm --force --time=0 one');
    assert.equal(await box.succeed('podman ps --all --quiet'), '');
  },
);

register(
  {
    name: 'podman.limits',
    what: 'The limits of memory, processes and processor time of a container hold.',
    machines,
  },
  async (_t, { box }) => {
    const limits = await box.succeed(
      `${run(
        '--rm --memory=32m --pids-limit=20 --cpus=0.5',
        "sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max; i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i + 1)); done; echo all'",
      )} 2>&1 || true`,
    );
    assert.match(limits, /^33554432\n20\n50000 100000\n/);
    assert.match(limits, /can't fork/);
    assert.doesNotMatch(limits, /^all$/m);
  },
);

register(
  {
    name: 'podman.oom',
    what: 'A container that takes too much memory is killed, and no other process is.',
    machines,
    expect: [/^kernel: Memory cgroup out of memory: Killed process \d+ \((sh|busybox)\)/],
  },
  async (_t, { box }) => {
    const greedy = "sh -c 'a=0123456789abcdef; while :; do a=$a$a; done'";
    const limited = '--memory=16m --memory-swap=16m';
    assert.equal((await box.execute(run(`--rm ${limited}`, greedy))).code, 128 + 9);
    // conmon reads the reason from the cgroup. systemd removes the cgroup as soon as it is empty, often before conmon
    // reads it (8 times of 25 on a busy host). So a process of this container lives on.
    await box.succeed(
      run(`--detach --name=parent ${limited}`, `sh -c ${shellQuote(`${greedy}; echo $?; exec sleep 1000`)}`),
    );
    await box.retry(async () => {
      assert.equal(await box.succeed('podman logs parent'), String(128 + 9));
    });
    await box.succeed('podman stop --time=0 parent');
    assert.equal(await box.succeed("podman inspect --format='{{.State.OOMKilled}}' parent"), 'true');
    // No other process was killed.
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  },
);

register(
  {
    name: 'podman.restart-policy',
    what: 'A container that fails is started again, up to the number of times in its restart policy.',
    machines,
  },
  async (_t, { box }) => {
    await box.succeed(run('--detach --name=phoenix --restart=on-failure:2', "sh -c 'echo lived; exit 3'"));
    // It starts three times in all.
    await box.retry(async () => {
      assert.equal(
        await box.succeed(
          "podman inspect --format='{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}' phoenix",
        ),
        'exited 2 3',
      );
    });
    await box.retry(async () => {
      assert.equal(await box.succeed('podman logs phoenix'), 'lived\nlived\nlived');
    });
  },
);

register(
  {
    name: 'podman.volume',
    what: 'A volume keeps its files with their owners for the next container.',
    machines,
  },
  async (_t, { box }) => {
    const keep = '--rm --volume=keep:/data';
    await box.succeed(
      run(keep, "sh -c 'echo kept >/data/file && chown 1000:2000 /data/file && chmod 640 /data/file'"),
    );
    // Another container sees the file with its owner. A container with a read-only volume cannot change it.
    assert.equal(
      await box.succeed(
        run(
          `${keep}:ro`,
          "sh -c 'cat /data/file; stat -c %a:%u:%g /data/file; echo x >/data/file' 2>&1 || true",
        ),
      ),
      "kept\n640:1000:2000\nsh: can't create /data/file: Read-only file system",
    );
    const path = await box.succeed("podman volume inspect --format='{{.Mountpoint}}' keep");
    assert.equal(await box.succeed(`cat ${path}/file`), 'kept');
    await box.succeed('podman volume rm keep');
    await box.fail(`test -e ${path}`);
  },
);

register(
  { name: 'podman.confinement', what: 'A container cannot get rights or devices of the host.', machines },
  async (_t, { box }) => {
    const status = await box.succeed(
      run(
        '--rm',
        `sh -c '
        grep -E "^(CapEff|CapBnd|Seccomp):" /proc/self/status
        echo "AppArmor: $(cat /proc/self/attr/current)"
        for file in /proc/sys/kernel/panic /sys/kernel/uevent_helper /proc/sysrq-trigger; do
          echo 1 2>/dev/null >$file && echo "$file is writable"
        done
        ls /dev
        mount -t tmpfs none /tmp 2>/dev/null && echo mounted
        hostname changed 2>/dev/null && echo renamed
        true'`,
      ),
    );
    // The 11 capabilities of containers.conf(5): no SYS_ADMIN (21), NET_ADMIN (12), NET_RAW (13), SYS_MODULE (16).
    assert.match(status, /^CapEff:\t00000000800405fb$/m);
    assert.match(status, /^CapBnd:\t00000000800405fb$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    assert.match(status, /^AppArmor: containers-default-[\d.]+ \(enforce\)$/m);
    assert.doesNotMatch(status, /is writable|mounted|renamed|^(vda|kmsg|mem|kvm|zfs)$/m);
    // The container has other name spaces than the host, so it cannot reach processes of the host's root either.
    const names = 'cgroup ipc mnt net pid uts';
    const links = `for n in ${names}; do readlink /proc/self/ns/$n; done`;
    const host = (await box.succeed(links)).split('\n');
    const ids = (
      await box.succeed(
        `id=$(${run('--detach', 'sleep 1000')}) && pid=$(podman inspect --format='{{.State.Pid}}' $id)
       ${links.replace('self', '$pid')}
       podman rm --force --time=0 $id >/dev/null`,
      )
    ).split('\n');
    assert.equal(ids.length, host.length);
    assert.deepEqual(
      ids.filter((id) => host.includes(id)),
      [],
    );
  },
);

register(
  {
    name: 'podman.read-only',
    what: 'A container can run with a read-only root file system and without capabilities.',
    machines,
  },
  async (_t, { box }) => {
    const said = await box.succeed(
      run(
        '--rm --read-only --cap-drop=all --user=1234:1234 --security-opt=no-new-privileges',
        `sh -c '
      touch /x 2>&1; touch /tmp/x && echo tmp; id -u; grep -E "^(CapEff|NoNewPrivs):" /proc/self/status'`,
      ),
    );
    assert.equal(
      said,
      'touch: /x: Read-only file system\ntmp\n1234\nCapEff:\t0000000000000000\nNoNewPrivs:\t1',
    );
  },
);

register(
  {
    name: 'podman.userns',
    what: 'In a container with its own user name space, root has no rights on the host.',
    machines,
  },
  async (_t, { box }) => {
    // The container's root is user 100000 on the host: its process and its files belong to that user.
    const said = await box.succeed(`
    mkdir /var/lib/mapped && chown 100000:100000 /var/lib/mapped
    ${run('--rm --uidmap=0:100000:65536 --gidmap=0:100000:65536 --volume=/var/lib/mapped:/data', `sh -c 'touch /data/file; cat /proc/self/uid_map'`)}
    stat -c %u:%g /var/lib/mapped/file`);
    assert.match(said, /^\s*0\s+100000\s+65536\n100000:100000$/);
  },
);

register(
  { name: 'podman.build', what: 'An image is built on the machine and runs.', machines },
  async (_t, { box }) => {
    await box.succeed(`
    mkdir /var/tmp/context && cd /var/tmp/context
    echo content >file
    cat >Containerfile <<'EOF'
FROM ${BUSYBOX}
COPY --chmod=0640 file /etc/file
RUN cat /etc/file /etc/file >/etc/twice
ENV WHO=built
USER 33
ENTRYPOINT ["/bin/sh", "-c", "cat /etc/twice; echo $WHO; id -u"]
EOF
    podman build --network=none --quiet --tag=localhost/built .`);
    assert.equal(
      await box.succeed('podman run --rm --network=none localhost/built'),
      'content\ncontent\nbuilt\n33',
    );
  },
);

register(
  {
    name: 'podman.save-load',
    what: 'An image is saved to a file and loaded again, and a damaged file is refused.',
    machines,
  },
  async (_t, { box }) => {
    const id = await box.succeed(`podman image inspect --format='{{.Id}}' ${BUSYBOX}`);
    await box.succeed(`
    podman save --quiet --format=oci-archive --output=/var/tmp/saved.tar ${BUSYBOX}
    podman rmi ${BUSYBOX} && test -z "$(podman images --quiet)"
    podman load --quiet --input=/var/tmp/saved.tar`);
    assert.equal(await box.succeed(`podman image inspect --format='{{.Id}}' ${BUSYBOX}`), id);
    // podman refuses a file that is not an image, and leaves nothing behind.
    await box.succeed('truncate --size=100K /var/tmp/saved.tar');
    await box.fail(`podman rmi ${BUSYBOX} && podman load --input=/var/tmp/saved.tar`);
    assert.equal(await box.succeed('podman images --quiet'), '');
  },
);

register(
  { name: 'podman.stop-signal', what: 'A container that is stopped can end by itself.', machines },
  async (_t, { box }) => {
    // The exit code is the container's own 0, and not the 137 of SIGKILL.
    await box.succeed(run('--detach --name=polite', FOREVER));
    await box.retry(async () => assert.equal(await box.succeed('podman logs polite'), 'prepared'));
    await box.succeed('podman stop --time=60 polite');
    assert.equal(await box.succeed("podman inspect --format='{{.State.ExitCode}}' polite"), '0');
  },
);

register(
  { name: 'podman.pod', what: 'Containers of a pod share one network.', machines },
  async (_t, { box }) => {
    await box.succeed(`
    podman pod create --name=duo --infra=true --network=none
    ${run('--detach --pod=duo --name=server', 'httpd -f -p 127.0.0.1:80 -h /etc')}`);
    // The containers of a pod have one network name space, and so one loopback.
    assert.equal(await box.succeed(run('--rm --pod=duo', 'wget -q -O - http://127.0.0.1/hostname')), 'duo');
    await box.succeed('podman pod rm --force --time=0 duo');
    assert.equal(await box.succeed('podman ps --all --quiet'), '');
  },
);
