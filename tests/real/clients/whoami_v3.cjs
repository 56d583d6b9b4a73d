// The AWS SDK for JavaScript, version 3, with the chain that it has by itself.
const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");

new STSClient({ region: process.env.AWS_DEFAULT_REGION })
  .send(new GetCallerIdentityCommand({}))
  .then((answer) => console.log(answer.Arn))
  .catch((error) => {
    console.error(`${error.name}: ${error.message}`);
    process.exitCode = 1;
  });
