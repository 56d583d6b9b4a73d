// A function that reads a secret and a parameter through the AWS Parameters and Secrets Lambda Extension, as its
// documentation shows it: nothing in here knows of brokerd.
const port = process.env.PARAMETERS_SECRETS_EXTENSION_HTTP_PORT ?? "2773";
const headers = { "X-Aws-Parameters-Secrets-Token": process.env.AWS_SESSION_TOKEN };

async function get(path) {
  const answer = await fetch(`http://localhost:${port}${path}`, { headers });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

const [secret, parameter] = process.argv.slice(2).map(encodeURIComponent);
console.log(JSON.stringify({
  secret: (await get(`/secretsmanager/get?secretId=${secret}`)).SecretString,
  parameter: (await get(`/systemsmanager/parameters/get?name=${parameter}&withDecryption=true`)).Parameter.Value,
}));
