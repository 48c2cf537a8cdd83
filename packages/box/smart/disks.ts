import { type Box, BoxError, type Ran, whyFailed } from '../io/box.ts';

/** The SMART data of a disk. */
export interface Disk {
  readonly device: string;
  readonly model: string | undefined;
  readonly serial: string | undefined;
  /** The disk sleeps and was not woken up, so nothing else is known. */
  readonly asleep: boolean;
  /** The disk's own verdict; undefined if it gives none. */
  readonly passed: boolean | undefined;
  /** Signs of age and damage, which often come before the verdict. */
  readonly signs: readonly Sign[];
  /** Celsius. */
  readonly temperature: number | undefined;
  /** The last self-test. `hoursAgo`: hours of running. */
  readonly test: DiskTest | undefined;
  /** The reason why it could not be asked; all else is then unknown. */
  readonly fault: string | undefined;
}

/** A sign of age or damage. */
export interface Sign {
  /** Identifies it, while numbers in the text change. */
  readonly kind: string;
  /** Whether data may be lost already. */
  readonly severe: boolean;
  /** A sentence without its subject, the disk. */
  readonly text: string;
}

/** The last self-test of a disk. */
export interface DiskTest {
  readonly kind: string;
  readonly result: string;
  readonly failed: boolean;
  readonly hoursAgo: number | undefined;
}

interface Named {
  readonly value?: number;
  readonly string?: string;
  /** False: it found a fault. Missing if it was interrupted or still runs. */
  readonly passed?: boolean;
}

interface Attribute {
  /** Of smartctl's drive database. The same number has other meanings on other disks, e.g. 198 Host_Reads_GiB. */
  readonly name?: string;
  readonly when_failed?: string;
  readonly flags?: { readonly prefailure?: boolean };
  /** `8`, or with other numbers of the maker behind it, `8 (2 0)`. The raw value contains these, too. */
  readonly raw?: { readonly string?: string };
}

/** The used parts of the output of smartctl(8), --json. ATA has one of two tables, NVMe another one. */
interface Report {
  readonly smartctl?: { readonly messages?: readonly { readonly string?: string }[] };
  readonly model_name?: string;
  readonly serial_number?: string;
  readonly smart_status?: { readonly passed?: boolean; readonly nvme?: { readonly value?: number } };
  readonly temperature?: { readonly current?: number };
  readonly power_on_time?: { readonly hours?: number };
  readonly ata_smart_attributes?: { readonly table?: readonly Attribute[] };
  readonly nvme_smart_health_information_log?: {
    /** Percent of the writes that the disk is made for. It may be above 100. */
    readonly percentage_used?: number;
    readonly media_errors?: number;
  };
  readonly scsi_grown_defect_list?: number;
  readonly ata_smart_self_test_log?: Readonly<
    Record<string, { readonly table?: readonly { type?: Named; status?: Named; lifetime_hours?: number }[] }>
  >;
  readonly nvme_self_test_log?: {
    readonly table?: readonly { self_test_code?: Named; self_test_result?: Named; power_on_hours?: number }[];
  };
}

/** Results of a self-test of NVMe that are faults: fatal, a segment failed, segments failed (NVM Express 2.0, log page 06h). */
const NVME_FAULTS = [5, 6, 7];

/** Names of attributes that count sectors which the disk cannot read. */
const UNREADABLE = [
  'Current_Pending_Sector',
  'Pending_Sector_Count',
  'Offline_Uncorrectable',
  'Offline_Scan_UNC_SectCt',
];

/** Percent of use from which on an NVMe disk counts as worn. */
const WORN = 90;

function signsOf(report: Report): Sign[] {
  const { ata_smart_attributes: ata, nvme_smart_health_information_log: nvme } = report;
  const table = ata?.table ?? [];
  const count = (...names: readonly string[]): number =>
    Math.max(
      0,
      ...table
        .filter(({ name = '' }) => names.includes(name))
        .map(({ raw }) => Number.parseInt(raw?.string ?? '', 10) || 0),
    );
  const unreadable = count(...UNREADABLE);
  const replaced = count('Reallocated_Sector_Ct') || (report.scsi_grown_defect_list ?? 0);
  const { percentage_used: used = 0, media_errors: errors = 0 } = nvme ?? {};
  // Those of the other kind, prefailure, are in the disk's verdict.
  const limits = table.filter(({ when_failed: when, flags }) => when === 'now' && !flags?.prefailure);
  const sign = (kind: string, text: string, is: boolean, severe = false): Sign[] =>
    is ? [{ kind, text, severe }] : [];
  return [
    ...sign('unreadable', `has ${unreadable} sectors that it cannot read`, unreadable > 0, true),
    ...sign('replaced', `has replaced ${replaced} bad sectors`, replaced > 0),
    ...sign('worn', `has used ${used} % of the writes that it is made for`, used >= WORN),
    ...sign('errors', `has lost data ${errors} times (media errors)`, errors > 0),
    ...sign('heat', 'is too hot or too cold', isHeat(report)),
    ...limits.flatMap(({ name }) => sign(`limit ${name}`, `has reached its maker's limit of ${name}`, true)),
  ];
}

/** Whether an NVMe disk warns of nothing but its temperature (NVM Express 2.0, log page 02h, critical warning). */
const isHeat = ({ smart_status: status }: Report): boolean => status?.nvme?.value === 2;

/** ATA counts the hours of a test in 16 bits. */
const ATA_HOURS = 65_536;

function testOf(report: Report): DiskTest | undefined {
  const now = report.power_on_time?.hours;
  const { standard, extended } = report.ata_smart_self_test_log ?? {};
  const ata = (extended ?? standard)?.table?.[0];
  if (ata) {
    const hoursAgo =
      now === undefined || ata.lifetime_hours === undefined
        ? undefined
        : (((now - ata.lifetime_hours) % ATA_HOURS) + ATA_HOURS) % ATA_HOURS;
    return {
      ...{ kind: ata.type?.string ?? 'self-test', result: ata.status?.string ?? 'unknown', hoursAgo },
      failed: ata.status?.passed === false,
    };
  }
  const nvme = report.nvme_self_test_log?.table?.[0];
  if (!nvme) return undefined;
  const at = nvme.power_on_hours;
  return {
    kind: nvme.self_test_code?.string ?? 'self-test',
    result: nvme.self_test_result?.string ?? 'unknown',
    failed: NVME_FAULTS.includes(nvme.self_test_result?.value ?? 0),
    hoursAgo: now === undefined || at === undefined ? undefined : Math.max(0, now - at),
  };
}

/**
 * The answer of smartctl(8). Bits of its exit code report findings; the two lowest bits mean that there is no
 * answer.
 */
function reportOf(argv: readonly string[], ran: Ran): Report {
  try {
    return JSON.parse(ran.stdout) as Report;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new BoxError(whyFailed(argv, ran));
  }
}

/** Bits of the exit code: wrong options, and a disk that cannot be opened or sleeps. */
const NO_ANSWER = 3;

function diskOf(box: Box, device: string, type: string): Disk {
  const what = ['--info', '--health', '--attributes', '--log=selftest'];
  // A sleeping disk is left asleep, because this runs every few minutes.
  const argv = ['smartctl', '--json=c', '--nocheck=standby', ...what, '-d', type, device];
  let report: Report = {};
  let fault: string | undefined;
  let code = 0;
  try {
    const ran = box.run(argv, { timeoutSeconds: 60 });
    ({ code } = ran);
    report = reportOf(argv, ran);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    fault = error.message; // one that hangs must not hide the others
  }
  const said = (report.smartctl?.messages ?? []).map((message) => message.string ?? '').join(' ');
  const asleep = report.smart_status === undefined && /\b(STANDBY|SLEEP)\b/i.test(said);
  // Without an answer, a known problem of the disk is not over.
  if (fault === undefined && !asleep && report.smart_status === undefined && (code & NO_ANSWER) !== 0)
    fault = said === '' ? `smartctl ended with ${code}` : said;
  return {
    device,
    model: report.model_name,
    serial: report.serial_number,
    asleep,
    passed: isHeat(report) ? true : report.smart_status?.passed,
    signs: signsOf(report),
    temperature: report.temperature?.current,
    test: testOf(report),
    fault,
  };
}

/** Exit code of a missing program: an image may lack smartctl. */
const NO_PROGRAM = 127;

/** All disks that smartctl(8) can read. */
export function disksOf(box: Box): Disk[] {
  const argv = ['smartctl', '--scan-open', '--json'];
  const scan = box.run(argv, { timeoutSeconds: 60 });
  if (scan.code === NO_PROGRAM) return [];
  if (scan.code !== 0) throw new BoxError(whyFailed(argv, scan));
  const { devices = [] } = reportOf(argv, scan) as {
    devices?: { name?: string; type?: string; open_error?: string }[];
  };
  return devices.flatMap(({ name, type = 'auto', open_error: unusable }) =>
    name === undefined || unusable !== undefined ? [] : [diskOf(box, name, type)],
  );
}

/** One line for a person: `/dev/sda WD Red: well, 34 °C; Short offline 3 h ago: completed without error`. */
export function describeDisk(disk: Disk): string {
  const { device, model, asleep, passed, signs, temperature, test, fault } = disk;
  const name = model === undefined ? device : `${device} ${model}`;
  if (fault !== undefined) return `${name}: cannot be asked: ${fault}`;
  if (asleep) return `${name}: asleep`;
  const verdict = passed === undefined ? 'says nothing of its health' : passed ? 'well' : 'is failing';
  const heat = temperature === undefined ? '' : `, ${temperature} °C`;
  const ago = test?.hoursAgo === undefined ? '' : ` ${test.hoursAgo} h of running ago`;
  const tested = test ? `; ${test.kind} test${ago}: ${test.result}` : '; no self-test yet';
  const found = signs.map(({ text }) => `; ${text}`).join('');
  return `${name}: ${verdict}${heat}${found}${tested}`;
}
