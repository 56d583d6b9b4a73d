// The AWS SDK for JavaScript, version 2, with the chain that it has by itself. It knows no AWS_ENDPOINT_URL.
const AWS = require("aws-sdk");

new AWS.STS({ region: process.env.AWS_DEFAULT_REGION, endpoint: process.env.AWS_ENDPOINT_URL })
  .getCallerIdentity()
  .promise()
  .then((answer) => console.log(answer.Arn))
  .catch((error) => {
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  });
