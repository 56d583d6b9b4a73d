// Stands in for the Serverless CLI: the same place on disk, the same command line, and one question to the
// metadata endpoint, asked as the AWS SDK for JavaScript asks it. STAND_IN_CHILD, a JSON list, is a command
// that it starts instead of asking, as its plugins do, and STAND_IN_DIRECTORY that command's directory.
'use strict'
const http = require('http')
const { spawnSync } = require('child_process')

const endpoint = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT
const ROLES = '/latest/meta-data/iam/security-credentials/'

function ask (method, path, headers) {
  return new Promise((resolve, reject) => {
    const request = http.request(new URL(path, endpoint), { method, headers, agent: false }, answer => {
      let text = ''
      answer.on('data', part => { text += part })
      answer.on('end', () => resolve({ status: answer.statusCode, text }))
    })
    request.on('error', reject)
    request.end()
  })
}

async function sequence () {
  const said = {
    pid: process.pid, token_status: 0, list_status: 0, status: 0,
    name: '', access_key: '', secret: '', session_token: '', error: ''
  }
  const token = await ask('PUT', '/latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' })
  said.token_status = token.status
  const headers = { 'x-aws-ec2-metadata-token': token.text }
  const list = await ask('GET', ROLES, headers)
  said.list_status = list.status
  if (list.status !== 200) return said
  said.name = list.text
  const credentials = await ask('GET', ROLES + list.text, headers)
  said.status = credentials.status
  if (credentials.status === 200) {
    const document = JSON.parse(credentials.text)
    said.access_key = document.AccessKeyId
    said.secret = document.SecretAccessKey
    said.session_token = document.Token
  }
  return said
}

if (process.env.STAND_IN_CHILD) {
  const [command, ...words] = JSON.parse(process.env.STAND_IN_CHILD)
  const done = spawnSync(command, words, { cwd: process.env.STAND_IN_DIRECTORY, stdio: 'inherit' })
  process.exitCode = done.status
} else {
  sequence().then(said => console.log(JSON.stringify(said)))
}
