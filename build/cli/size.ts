import { formatBytes } from '../../sdk/lib/bytes.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { findManifest } from '../product/manifest.ts';
import { writeReport } from './report-file.ts';
import { sizeHtml } from './size-html.ts';
import { areasByFolder, areasByOrigin, type SizeReport, sizeReport } from './size-report.ts';
import { formatTable } from './table.ts';
import { readTreeDocument } from './tree-document.ts';

/** The options of `size`. */
export interface SizeFlags {
  readonly html?: string;
  readonly json?: boolean;
}

/** `size IMAGE`: table, JSON, or treemap page. */
export async function size(image: string, flags: SizeFlags): Promise<void> {
  const { manifest, folder } = findManifest(image);
  const tree = readTreeDocument(folder);
  if (!tree) {
    throw badInput('there is no tree.json beside the manifest', {
      where: folder,
      hint: `./draisine build ${manifest.name}`,
    });
  }
  const report = sizeReport(tree, manifest.artifacts);
  const title = `${manifest.name} ${manifest.version}`;
  if (flags.html !== undefined) {
    await writeReport(flags.html, sizeHtml(title, report, areasByOrigin(tree), areasByFolder(tree)));
  }
  if (flags.json)
    process.stdout.write(
      `${JSON.stringify({ name: manifest.name, version: manifest.version, ...report }, null, 2)}\n`,
    );
  else if (flags.html === undefined) process.stdout.write(formatSize(title, report));
}

/** The sizes as text for a terminal. */
export function formatSize(title: string, report: SizeReport): string {
  const { origins, trims, artifacts, total } = report;
  return [
    `${title}\n\nartifacts\n`,
    formatTable(
      artifacts.map((artifact) => [formatBytes(artifact.size), artifact.name]),
      [0],
    ),
    `\nin /usr, before compression: ${formatBytes(total)}\n`,
    formatTable(
      origins.map(({ bytes, files, origin }) => [formatBytes(bytes), `${files} files`, origin]),
      [0, 1],
    ),
    trims.length === 0 ? '' : `\nremoved: ${formatBytes(trims.reduce((sum, { bytes }) => sum + bytes, 0))}\n`,
    formatTable(
      trims.map(({ bytes, count, reason }) => [formatBytes(bytes), `${count} entries`, reason]),
      [0, 1],
    ),
  ].join('');
}
