'use strict';

const ORDER = ['passed', 'failed', 'warned', 'skipped'];

/**
 * The report of `brokerctl check --json`, in lines for a person.
 *
 * @param {object} report
 * @param {string} file the configuration as a person knows it
 * @returns {string[]}
 */
function lines(report, file) {
  const out = ['Safeguards Results:', '', '   Summary'];
  for (const entry of report.entries) out.push(`   ${entry.verdict.padEnd(7)} - ${title(entry)}`);
  const told = report.entries.filter((entry) => entry.verdict !== 'passed');
  if (told.length) out.push('', '   Details');
  told.forEach((entry, index) => out.push(...details(entry, index + 1, file)));
  const counts = ORDER.filter((verdict) => report[verdict]).map((verdict) => `${report[verdict]} ${verdict}`);
  out.push('', `Safeguards Summary: ${counts.join(', ')}`);
  return out;
}

function details(entry, number, file) {
  const verdict = entry.verdict[0].toUpperCase() + entry.verdict.slice(1);
  const out = [`   ${number}) ${verdict} - ${title(entry)}`];
  for (const finding of entry.findings || []) {
    const place = finding.line ? `${file}:${finding.line}` : file;
    out.push(`      ${finding.message}`, `      at ${place}${finding.resource ? ` (${finding.resource})` : ''}`);
  }
  if (entry.skipped) out.push(`      ${entry.skipped}`);
  if (entry.description) out.push(...entry.description.split('\n').map((line) => `      ${line}`));
  if (entry.verdict !== 'skipped') out.push(`      details: brokerctl safeguard explain ${entry.policy}`);
  return out;
}

function title(entry) {
  return entry.title || entry.policy;
}

/** The titles of what blocks a deploy. */
function failed(report) {
  return report.entries.filter((entry) => entry.verdict === 'failed').map(title);
}

module.exports = { failed, lines };
