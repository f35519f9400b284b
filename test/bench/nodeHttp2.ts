/** HTTP/2 over TLS: streams on one TCP connection. A call is a request. */
import { once } from "node:events"
import * as http2 from "node:http2"
import type { AddressInfo } from "node:net"
import { certificate } from "./identity.ts"
import { CALL_BYTES, openAndHold, seconds, type System, timeCalls, timeHandshakes } from "./system.ts"

const serve = async (): Promise<number> => {
  const { certPem: cert, keyPem: key } = await certificate()
  const server = http2.createSecureServer({ cert, key, settings: { maxConcurrentStreams: 1_000_000 } })
  server.on("stream", (stream: http2.ServerHttp2Stream) => {
    let received = 0
    stream.on("data", (data: Buffer) => {
      received += data.length
    })
    stream.on("end", () => {
      stream.respond()
      stream.end(received > CALL_BYTES ? String(received) : new Uint8Array(CALL_BYTES))
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return (server.address() as AddressInfo).port
}

const connect = async (port: number): Promise<http2.ClientHttp2Session> => {
  const { certPem: ca } = await certificate()
  const session = http2.connect(`https://localhost:${port}`, {
    ca,
    lookup: (_h, _o, done) => done(null, [{ address: "127.0.0.1", family: 4 }])
  })
  await once(session, "connect")
  return session
}

const ended = async (stream: http2.ClientHttp2Stream): Promise<void> => {
  stream.resume()
  await once(stream, "end")
}

const run: System["run"] = async (task) => {
  if (task.kind === "handshake")
    return timeHandshakes(task.count, async () => (await connect(task.port)).destroy())
  if (task.kind === "holdConnections") return openAndHold(task.count, () => connect(task.port))
  const session = await connect(task.port)
  if (task.kind === "holdStreams")
    return openAndHold(task.count, async () =>
      session.request({ ":method": "POST", ":path": "/" }).write("1")
    )
  if (task.kind !== "call" && task.kind !== "bulk") throw new Error(`HTTP/2 has no ${task.kind} task`)
  if (task.kind === "call")
    return timeCalls(task.calls, async () => {
      const stream = session.request({ ":method": "POST", ":path": "/" })
      stream.end(new Uint8Array(CALL_BYTES))
      await ended(stream)
    })
  const chunk = new Uint8Array(65_536)
  const startedAt = performance.now()
  const stream = session.request({ ":method": "POST", ":path": "/" })
  for (let sent = 0; sent < task.bytes; sent += chunk.length)
    if (!stream.write(chunk)) await once(stream, "drain")
  stream.end()
  await ended(stream)
  return { values: { bitsPerSecond: (8 * task.bytes) / seconds(startedAt) } }
}

export const nodeHttp2: System = {
  kinds: ["bulk", "call", "handshake", "holdConnections", "holdStreams"],
  serve,
  run
}
