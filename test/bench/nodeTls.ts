/** TLS over TCP, which QUIC replaces. A call is a round trip on the one connection. */
import { once } from "node:events"
import type * as net from "node:net"
import * as tls from "node:tls"
import { certificate } from "./identity.ts"
import {
  CALL_BYTES,
  openAndHold,
  seconds,
  type System,
  type Task,
  timeCalls,
  timeHandshakes
} from "./system.ts"

const serve = async (task: Task): Promise<number> => {
  const { certPem: cert, keyPem: key } = await certificate()
  const server = tls.createServer({ cert, key, minVersion: "TLSv1.3", noDelay: true }, (socket) => {
    let received = 0
    socket.on("error", () => socket.destroy())
    socket.on("data", (data) => {
      received += data.length
      if (task.kind === "call")
        for (; received >= CALL_BYTES; received -= CALL_BYTES) socket.write(new Uint8Array(CALL_BYTES))
      else if (task.kind === "bulk" && received >= task.bytes) socket.write(String(received))
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return (server.address() as net.AddressInfo).port
}

const connect = async (port: number, session?: Buffer): Promise<tls.TLSSocket> => {
  const { certPem: ca } = await certificate()
  const socket = tls.connect({ port, host: "127.0.0.1", servername: "localhost", ca, session })
  await once(socket, "secureConnect")
  socket.setNoDelay(true)
  return socket
}

const sessions: Array<Buffer> = []

/** A handshake, with X25519MLKEM768 like the others: OpenSSL 3.5 prefers it. */
const handshake = async ({ port, tickets }: Extract<Task, { kind: "handshake" }>): Promise<void> => {
  const resumed = tickets === "use" ? sessions.pop() : undefined
  const socket = await connect(port, resumed)
  if (socket.isSessionReused() !== (resumed !== undefined)) throw new Error("a session was not resumed")
  if (tickets === "collect") sessions.push((await once(socket, "session"))[0])
  socket.destroy()
}

const run: System["run"] = async (task) => {
  if (task.kind === "handshake") return timeHandshakes(task.count, () => handshake(task))
  if (task.kind === "holdConnections") return openAndHold(task.count, () => connect(task.port))
  if (task.kind !== "call" && task.kind !== "bulk") throw new Error(`TLS has no ${task.kind} task`)
  const socket = await connect(task.port)
  if (task.kind === "call")
    return timeCalls(task.calls, async () => {
      socket.write(new Uint8Array(CALL_BYTES))
      await once(socket, "data")
    })
  const chunk = new Uint8Array(65_536)
  const startedAt = performance.now()
  for (let sent = 0; sent < task.bytes; sent += chunk.length)
    if (!socket.write(sent + chunk.length > task.bytes ? chunk.subarray(0, task.bytes - sent) : chunk))
      await once(socket, "drain")
  await once(socket, "data")
  return { values: { bitsPerSecond: (8 * task.bytes) / seconds(startedAt) } }
}

export const nodeTls: System = {
  kinds: ["bulk", "call", "handshake", "holdConnections"],
  resumes: true,
  serve,
  run
}
