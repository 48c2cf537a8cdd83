import type { Release, TestReport } from './format/types.ts';

/** Artifacts that must have been tested before a release is promoted. */
const TESTED = ['usr.img', 'uki.efi', 'disk.img.zst', 'draisine.iso'];

/** Reasons why a test report is not about this release, or not green. */
export function reportFaults(release: Release, report: TestReport | undefined): string[] {
  if (!report) return ['there is no signed test report (./draisine test --all, then release report)'];
  const found: string[] = [];
  if (report.image !== release.image || report.version !== release.version)
    found.push(`the test report is of ${report.image} ${report.version}`);
  for (const name of TESTED) {
    const file = release.files[name];
    if (file && report.artifacts[name] !== file.sha256) found.push(`the test report is of another ${name}`);
  }
  if (!report.complete) found.push('the test report is not of all tests (./draisine test --all)');
  if (report.failed > 0) found.push(`${report.failed} tests failed`);
  if (report.passed === 0) found.push('no test passed');
  return found;
}
