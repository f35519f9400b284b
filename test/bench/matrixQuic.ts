/** quiche through the public JavaScript API of `@matrixai/quic`. */
import { events, native, QUICClient, QUICServer } from "@matrixai/quic"
import * as crypto from "node:crypto"
import { certificate } from "./identity.ts"
import {
  CALL_BYTES,
  openAndHold,
  seconds,
  type System,
  type Task,
  timeCalls,
  timeFirstBytes,
  timeHandshakes
} from "./system.ts"

type Quic = InstanceType<typeof QUICClient>["connection"]
type QuicStream = ReturnType<Quic["newStream"]>

const hmac = (key: ArrayBuffer, data: ArrayBuffer): Uint8Array =>
  crypto.createHmac("sha256", new Uint8Array(key)).update(new Uint8Array(data)).digest()

/** It has no path MTU discovery. */
const datagramBytesOf = (task: Task): number =>
  task.kind === "bulk" && task.datagramBytes !== "discovered" ? task.datagramBytes : 1452

const sizes = (task: Task) => ({
  maxSendUdpPayloadSize: datagramBytesOf(task),
  maxRecvUdpPayloadSize: 65_527,
  initialMaxStreamsBidi: 1_000_000,
  maxIdleTimeout: 60_000
})

const onStream = async (stream: QuicStream, task: Task): Promise<void> => {
  let received = 0
  for await (const bytes of stream.readable) received += bytes.length
  const writer = stream.writable.getWriter()
  await writer.write(
    task.kind === "bulk" ? new TextEncoder().encode(String(received)) : new Uint8Array(CALL_BYTES)
  )
  await writer.close()
}

const serve = async (task: Task): Promise<number> => {
  const { certPem: cert, keyPem: key } = await certificate()
  const server = new QUICServer({
    crypto: {
      key: new Uint8Array(32).fill(7).buffer,
      ops: {
        sign: async (signKey, data) => new Uint8Array(hmac(signKey, data)).buffer,
        verify: async (signKey, data, tag) => crypto.timingSafeEqual(hmac(signKey, data), new Uint8Array(tag))
      }
    },
    config: { cert, key, ...sizes(task) }
  })
  server.addEventListener(events.EventQUICServerConnection.name, ((event: { detail: Quic }) => {
    event.detail.addEventListener(events.EventQUICConnectionStream.name, ((opened: {
      detail: QuicStream
    }) => {
      onStream(opened.detail, task).catch(() => undefined)
    }) as never)
  }) as never)
  await server.start({ host: "127.0.0.1", port: 0 })
  return server.port
}

const connect = async (task: Task) => {
  const { identity } = await certificate()
  return QUICClient.createQUICClient({
    host: "127.0.0.1",
    port: task.port,
    serverName: "localhost",
    localHost: "127.0.0.1",
    crypto: {
      ops: { randomBytes: async (data) => void crypto.randomFillSync(new Uint8Array(data)) }
    },
    config: {
      verifyPeer: true,
      // accepts exactly the benchmark's certificate, like the other systems
      verifyCallback: async ([leaf]) =>
        leaf !== undefined && Buffer.from(identity.chain[0]).equals(leaf)
          ? undefined
          : native.CryptoError.BadCertificate,
      ...sizes(task)
    }
  })
}

const drain = async (stream: QuicStream): Promise<void> => {
  for await (const _bytes of stream.readable);
}

/** Keeps clients and streams from being garbage collected. */
const held: Array<unknown> = []

const firstByte = async (task: Task): Promise<number> => {
  const startedAt = performance.now()
  const client = await connect(task)
  const stream = client.connection.newStream()
  const writer = stream.writable.getWriter()
  await writer.write(new Uint8Array(CALL_BYTES))
  await writer.close()
  await stream.readable.getReader().read()
  const millis = performance.now() - startedAt
  await client.destroy({ force: true })
  return millis
}

const run: System["run"] = async (task) => {
  if (task.kind === "handshake")
    return timeHandshakes(task.count, async () => (await connect(task)).destroy({ force: true }))
  if (task.kind === "firstByte") return timeFirstBytes(task.count, () => firstByte(task))
  if (task.kind === "holdConnections")
    return openAndHold(task.count, async () => held.push(await connect(task)))
  const { connection } = await connect(task)
  if (task.kind === "holdStreams")
    return openAndHold(task.count, async () => {
      const stream = connection.newStream()
      await stream.writable.getWriter().write(new Uint8Array(1))
      held.push(stream)
    })
  if (task.kind === "call")
    return timeCalls(task.calls, async () => {
      const stream = connection.newStream()
      const writer = stream.writable.getWriter()
      await writer.write(new Uint8Array(CALL_BYTES))
      await writer.close()
      await drain(stream)
    })
  const chunk = new Uint8Array(65_536)
  const startedAt = performance.now()
  const stream = connection.newStream()
  const writer = stream.writable.getWriter()
  for (let sent = 0; sent < task.bytes; sent += chunk.length) await writer.write(chunk)
  await writer.close()
  await drain(stream)
  return { values: { bitsPerSecond: (8 * task.bytes) / seconds(startedAt) } }
}

export const matrixQuic: System = {
  kinds: ["bulk", "call", "handshake", "firstByte", "holdConnections"],
  share: 0.1,
  serve,
  run
}
