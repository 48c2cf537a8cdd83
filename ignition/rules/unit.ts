import { goQuote } from '../json/text.ts';
import { type Problem, problem, type Report } from '../report.ts';
import { extension } from './path.ts';
import { parseUnitFile } from './unit-file.ts';

interface Unit {
  readonly name: string;
  readonly contents?: string;
  readonly enabled?: boolean;
}

const KINDS = [
  ...['service', 'socket', 'device', 'mount', 'automount', 'swap'],
  ...['target', 'path', 'timer', 'snapshot', 'slice', 'scope'],
];

function checkUnitName(name: string): Problem | undefined {
  const suffix = extension(name);
  if (suffix.startsWith('.') && KINDS.includes(suffix.slice(1))) return undefined;
  return problem(
    'invalid systemd unit extension',
    `name it NAME.service, or one of ${KINDS.slice(1).join(', ')}`,
  );
}

const badContent = (fault: string): Problem =>
  problem(`invalid unit content: ${fault}`, 'write [Section] lines, NAME=VALUE lines and # comments');

export function checkUnit({ name, contents, enabled }: Unit, report: Report): void {
  report.error(checkUnitName(name), 'name');
  if (!contents) return;
  const { fault, sections } = parseUnitFile(contents);
  if (fault !== undefined) report.error(badContent(fault), 'contents');
  else if (enabled === true && !sections.has('Install')) {
    report.warning(
      problem(
        `unit ${goQuote(name)} is enabled, but has no install section so enable does nothing`,
        'add [Install] with WantedBy=multi-user.target',
      ),
      'contents',
    );
  }
}

export function checkDropin({ name, contents }: Unit, report: Report): void {
  const { fault } = contents === undefined ? {} : parseUnitFile(contents);
  if (fault !== undefined) report.error(badContent(fault), 'contents');
  if (extension(name) !== '.conf') {
    report.error(problem('invalid systemd drop-in extension', 'name it NAME.conf'), 'name');
  }
}
