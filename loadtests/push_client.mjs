// Node's own HTTP/2 client, measured as push_client.py measures the others: node push_client.mjs PORT FOLDER PUSHES IN_FLIGHT SIZE
import { connect } from "node:http2"
import { readFileSync } from "node:fs"
import { randomUUID } from "node:crypto"

const [port, folder, ...numbers] = process.argv.slice(2)
const [pushes, inFlight, size] = numbers.map(Number)
const session = connect(`https://localhost:${port}`, { ca: readFileSync(`${folder}/ca.pem`) })
await new Promise((resolve) => session.once("remoteSettings", resolve))

const alert = { title: "Session done", body: "Refactor the parser: all 41 tests pass" }
const message = { aps: { alert, sound: "default" }, fill: "x".repeat(Math.max(0, size - 120)) }
const authorization = `bearer ${"x".repeat(180)}`

function push(number) {
  const id = randomUUID()
  return new Promise((resolve, reject) => {
    const request = session.request({
      ":method": "POST",
      ":path": `/3/device/${randomUUID().replaceAll("-", "").repeat(2)}`,
      authorization,
      "apns-id": id,
      "apns-topic": "com.example.app",
      "apns-push-type": "alert",
      "apns-priority": "10",
      "apns-expiration": String(Math.floor(Date.now() / 1000) + 3600),
      "apns-collapse-id": `session-${number}`,
    })
    request.on("response", (answer) => {
      if (answer[":status"] !== 200 || answer["apns-id"] !== id) reject(new Error(`answered ${answer[":status"]}`))
    })
    request.on("error", reject)
    request.on("end", resolve)
    request.resume()
    request.end(JSON.stringify(message))
  })
}

async function sendAll(count, many) {
  let next = 0
  const worker = async () => {
    while (next < count) await push(next++)
  }
  await Promise.all(Array.from({ length: many }, worker))
}

await sendAll(20, Math.min(inFlight, 5))
const memory = process.memoryUsage.rss()
const cpu = process.cpuUsage()
const began = process.hrtime.bigint()
await sendAll(pushes, inFlight)
const seconds = Number(process.hrtime.bigint() - began) / 1e9
const used = process.cpuUsage(cpu)
const grown = Math.round((process.memoryUsage.rss() - memory) / 1024)
console.log(JSON.stringify({ seconds, cpu: (used.user + used.system) / 1e6, grown }))
session.close()
