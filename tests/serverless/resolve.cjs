// What a framework's own code makes of each case: `node resolve.cjs FRAMEWORK_DIRECTORY CASE_FILE...` prints it as JSON.
//
// It goes the way of the framework's scripts/serverless.js with the framework's own functions: find and read the
// file, resolve provider.stage, load .env, resolve everything. Where the CLI would end with an error, that is noted
// (`stops`) and the rest is asked anyway, since a reading answers field by field. Sources that need AWS or code of the
// project stay unknown: nothing is asked of a network.

'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');

const [framework, ...caseFiles] = process.argv.slice(2);
const of = (file) => require(path.join(path.resolve(framework), 'lib', file));
const has = (file) => fs.existsSync(path.join(path.resolve(framework), 'lib', `${file}.js`));

const home = fs.mkdtempSync(path.join(os.tmpdir(), 'brokerd-serverless-'));
process.env.HOME = home;
process.env.SLS_TELEMETRY_DISABLED = '1';
process.env.SLS_NOTIFICATIONS_MODE = 'off';
// A circle of variables is rejected in more places than the framework waits for.
process.on('unhandledRejection', () => {});
process.on('exit', () => fs.rmSync(home, { recursive: true, force: true }));

const readConfiguration = of('configuration/read');
const resolveMeta = of('configuration/variables/resolve-meta');
const resolveVariables = of('configuration/variables/resolve');
const isPropertyResolved = of('configuration/variables/is-property-resolved');
const unresolvedSourceTypes = of('configuration/variables/resolve-unresolved-source-types');
const envSource = of('configuration/variables/sources/env');
const getSls = of('configuration/variables/sources/instance-dependent/get-sls');
const resolveConfigurationPath = of('cli/resolve-configuration-path');
const resolveInput = of('cli/resolve-input');
const filterSupportedOptions = of('cli/filter-supported-options');
const conditionallyLoadDotenv = of('cli/conditionally-load-dotenv');
const AwsProvider = of('plugins/aws/provider');
const ServerlessError = of('serverless-error');
const deferIrrelevantStageParams = has('configuration/variables/defer-irrelevant-stage-params')
  ? of('configuration/variables/defer-irrelevant-stage-params')
  : () => () => false;

const baseSources = {
  env: envSource,
  file: of('configuration/variables/sources/file'),
  opt: of('configuration/variables/sources/opt'),
  self: of('configuration/variables/sources/self'),
  strToBool: of('configuration/variables/sources/str-to-bool'),
  sls: getSls(),
};

/** The `param` source: the framework's own, or that of the dashboard's plugin which comes with serverless@3. */
const paramSource = (instance) => {
  if (has('configuration/variables/sources/instance-dependent/param')) {
    return of('configuration/variables/sources/instance-dependent/param')(instance);
  }
  const { paramResolve } = require(require.resolve('@serverless/dashboard-plugin/lib/variables', {
    paths: [path.resolve(framework)],
  }));
  const context = { sls: instance, provider: { getStage: () => instance.stage() } };
  return { resolve: (question) => paramResolve.call(context, question) };
};

/** Cases of a file: `=== name`, an optional `$ NAME=value sls words`, then `--- path` with each file's text. */
const cases = (text) => {
  const found = [];
  let file;
  for (const line of text.split('\n')) {
    const current = found[found.length - 1];
    if (line.startsWith('=== ')) {
      found.push({ name: line.slice(4).trim(), command: 'sls deploy', files: {} });
      file = null;
    } else if (!current) continue;
    else if (line.startsWith('--- ')) current.files[(file = line.slice(4).trim())] = '';
    else if (file) current.files[file] += `${line}\n`;
    else if (line.startsWith('$ ')) current.command = line.slice(2).trim();
  }
  return found;
};

/** Words of a command line as a shell splits them, without anything but quotes. */
const words = (line) =>
  Array.from(line.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g), ([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double)
  );

const kindOf = (error) => (error && error.code) || (error && error.name) || 'error';

/** What came of one field. */
const outcome = (configuration, meta, keys) => {
  let value = configuration;
  let prefix = '';
  for (const key of keys) {
    if (value == null || typeof value !== 'object') return { absent: true };
    value = Object.prototype.hasOwnProperty.call(value, key) ? value[key] : undefined;
    prefix = prefix ? `${prefix}\0${key}` : key;
    const found = meta.get(prefix);
    if (found && found.error) return { error: kindOf(found.error) };
    if (found) {
      return { unknown: [...unresolvedSourceTypes(new Map([[prefix, found]])).keys()].sort() };
    }
  }
  if (value == null) return { absent: true };
  if (typeof value === 'object') return { error: 'not a name' };
  return { value };
};

const FIELDS = {
  app: ['app'],
  customApp: ['custom', 'brokerd', 'app'],
  org: ['org'],
  tenant: ['tenant'],
  service: ['service'],
  serviceName: ['service', 'name'],
};

const read = async (given) => {
  const directory = fs.mkdtempSync(path.join(home, 'case-'));
  for (const [name, text] of Object.entries(given.files)) {
    const file = path.join(directory, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
  process.chdir(directory);
  const [variables, args] = [{}, words(given.command)];
  while (args[0].includes('=')) {
    const word = args.shift();
    variables[word.slice(0, word.indexOf('='))] = word.slice(word.indexOf('=') + 1);
  }
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, { HOME: home, PATH: '/usr/bin:/bin', SLS_TELEMETRY_DISABLED: '1' }, variables);
  process.argv = [process.argv[0], 'serverless', ...args.slice(1)];
  resolveInput.clear();

  const { options, commandSchema } = resolveInput(of('cli/commands-schema/aws-service'));
  const configurationPath = await resolveConfigurationPath({ options: { ...options } });
  if (!configurationPath) return { refused: 'NO_CONFIGURATION' };
  const configuration = await readConfiguration(configurationPath);
  const meta = resolveMeta(configuration);
  const stops = new Set();
  const noteErrors = () => {
    for (const { error } of meta.values()) if (error) stops.add(kindOf(error));
  };
  noteErrors();

  const providerName = 'aws';
  const supported = filterSupportedOptions(options, { commandSchema, providerName });
  const resolution = {
    serviceDir: directory,
    configuration,
    variablesMeta: meta,
    sources: { ...baseSources },
    options: supported,
    fulfilledSources: new Set(['file', 'self', 'strToBool']),
    propertyPathsToResolve: new Set(['provider\0name', 'provider\0stage', 'useDotenv']),
  };
  resolution.isPropertyDeferred = deferIrrelevantStageParams(configuration, resolution);
  await resolveVariables(resolution);
  resolution.fulfilledSources.add('env');
  envSource.missingEnvVariables.clear();
  const early = ['provider\0stage', 'useDotenv'];
  if (!early.every((property) => isPropertyResolved(meta, property))) {
    await resolveVariables({ ...resolution, propertyPathsToResolve: new Set(early) });
  }
  noteErrors();
  for (const property of early) {
    if (!isPropertyResolved(meta, property)) stops.add(`INACCESSIBLE ${property.replace('\0', '.')}`);
  }
  const stage = outcome(configuration, meta, ['provider', 'stage']);

  const needed = new Set(envSource.missingEnvVariables);
  try {
    if (await conditionallyLoadDotenv(options, configuration)) {
      for (const name of needed) if (process.env[name]) stops.add('DOTENV_CONFLICT');
    }
  } catch (error) {
    stops.add(kindOf(error));
  }

  delete resolution.propertyPathsToResolve;
  await resolveVariables(resolution);
  noteErrors();
  for (const property of ['app', 'org', 'service']) {
    if (!isPropertyResolved(meta, property)) stops.add(`INACCESSIBLE ${property}`);
  }

  const provider = Object.create(AwsProvider.prototype);
  const section = configuration.provider;
  Object.assign(provider, {
    options,
    serverless: {
      config: {},
      service: { provider: section && typeof section === 'object' ? section : { name: section } },
    },
  });
  const instance = {
    configurationInput: configuration,
    processedInput: { options },
    service: {},
    classes: { Error: ServerlessError },
    stage: () => provider.getStage(),
  };
  resolution.fulfilledSources.add('opt').add('sls').add('param');
  resolution.sources.sls = getSls({ instanceId: 'instance' });
  resolution.sources.param = paramSource(instance);
  await resolveVariables(resolution);
  noteErrors();

  const answer = (found, of_) => {
    if (found.error || found.unknown) return found;
    try {
      const value = of_();
      return typeof value === 'object' ? { error: 'not a name' } : { value };
    } catch (error) {
      return { error: kindOf(error) };
    }
  };
  const told = {};
  for (const [name, keys] of Object.entries(FIELDS)) told[name] = outcome(configuration, meta, keys);
  const fileStage = stage.unknown || stage.error ? stage : outcome(configuration, meta, ['provider', 'stage']);
  told.stage = options.stage
    ? answer({}, () => provider.getStage())
    : answer(fileStage, () => provider.getStage());
  told.region = options.region
    ? answer({}, () => provider.getRegion())
    : answer(outcome(configuration, meta, ['provider', 'region']), () => provider.getRegion());
  for (const name of Object.keys(told)) if (told[name].absent) delete told[name];
  if (stops.size) told.stops = [...stops].sort();
  return told;
};

(async () => {
  const readings = {};
  for (const file of caseFiles) {
    const text = fs.readFileSync(path.resolve(file), 'utf8');
    const topic = path.basename(file, '.txt');
    readings[topic] = cases(text);
  }
  const result = {};
  for (const [topic, given] of Object.entries(readings)) {
    result[topic] = {};
    for (const one of given) {
      try {
        result[topic][one.name] = await read(one);
      } catch (error) {
        result[topic][one.name] = { refused: kindOf(error) };
        if (process.env.DEBUG_CASES) console.error(one.name, error);
      }
    }
  }
  process.chdir('/');
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
})();
