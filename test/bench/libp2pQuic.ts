/**
 * quinn through the native binding of `@chainsafe/libp2p-quic`, without libp2p's own layers: the fastest QUIC on npm.
 */
import { createPrivateKey, createPublicKey } from "node:crypto"
import { createRequire } from "node:module"
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

interface NativeStream {
  read(most: number): Promise<Uint8Array | null | undefined>
  write(bytes: Uint8Array): Promise<void>
  finishWrite(): Promise<void>
}

interface NativeConnection {
  outboundStream(): Promise<NativeStream>
  inboundStream(): Promise<NativeStream>
  abort(): void
}

interface Native {
  QuinnConfig: new (options: object) => object
  Client: new (
    config: object,
    family: 0 | 1
  ) => { outboundConnection(host: string, port: number): Promise<NativeConnection> }
  Server: new (
    config: object,
    host: string,
    port: number
  ) => { port(): number; inboundConnection(): Promise<NativeConnection> }
}

const load = (): Native => {
  const require = createRequire(import.meta.resolve("@chainsafe/libp2p-quic"))
  return require(
    `@chainsafe/libp2p-quic-${process.platform}-${process.arch}${process.platform === "linux" ? "-gnu" : ""}`
  )
}

/** libp2p's protobuf encoding of an Ed25519 key: type 1, then seed and public key. */
const privateKey = (): Uint8Array => {
  const seed = new Uint8Array(32).map((_, i) => (i * 7 + process.pid) & 0xff)
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
  const key = createPublicKey(createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" }))
  const spki = key.export({ format: "der", type: "spki" })
  return Buffer.concat([Buffer.from("08011240", "hex"), seed, spki.subarray(-32)])
}

/** The package's defaults, with stream limits that fit the benchmark: it preallocates memory per allowed stream. */
const config = (native: Native, { kind }: Task): object =>
  new native.QuinnConfig({
    handshakeTimeout: 5_000,
    maxIdleTimeout: 60_000,
    keepAliveInterval: 5_000,
    maxConcurrentStreamLimit: kind === "holdStreams" ? 100_000 : 1_000,
    maxStreamData: 10_000_000,
    maxConnectionData: 15_000_000,
    receiveBufferSize: 500_000,
    sendBufferSize: 500_000,
    privateKeyProto: privateKey()
  })

const drain = async (stream: NativeStream): Promise<number> => {
  let received = 0
  for (let bytes = await stream.read(65_536); bytes != null; bytes = await stream.read(65_536))
    received += bytes.length
  return received
}

const onConnection = async (connection: NativeConnection, task: Task): Promise<void> => {
  for (;;) {
    const stream = await connection.inboundStream()
    const answer = async () => {
      const received = await drain(stream)
      await stream.write(
        task.kind === "bulk" ? new TextEncoder().encode(String(received)) : new Uint8Array(CALL_BYTES)
      )
      await stream.finishWrite()
    }
    answer().catch(() => undefined)
  }
}

const serve = async (task: Task): Promise<number> => {
  const native = load()
  const server = new native.Server(config(native, task), "127.0.0.1", 0)
  const acceptAll = async () => {
    for (;;) onConnection(await server.inboundConnection(), task).catch(() => undefined)
  }
  acceptAll().catch(() => undefined)
  return server.port()
}

/** Keeps connections and streams from being garbage collected. */
const held: Array<unknown> = []

const firstByte = async (connect: () => Promise<NativeConnection>): Promise<number> => {
  const startedAt = performance.now()
  const connection = await connect()
  const stream = await connection.outboundStream()
  await stream.write(new Uint8Array(CALL_BYTES))
  await stream.finishWrite()
  await stream.read(CALL_BYTES)
  const millis = performance.now() - startedAt
  connection.abort()
  return millis
}

const run: System["run"] = async (task) => {
  const native = load()
  const client = new native.Client(config(native, task), 0)
  const connect = () => client.outboundConnection("127.0.0.1", task.port)
  if (task.kind === "handshake") return timeHandshakes(task.count, async () => (await connect()).abort())
  if (task.kind === "holdConnections") return openAndHold(task.count, async () => held.push(await connect()))
  if (task.kind === "firstByte") return timeFirstBytes(task.count, () => firstByte(connect))
  const connection = await connect()
  if (task.kind === "holdStreams")
    return openAndHold(task.count, async () => {
      const stream = await connection.outboundStream()
      await stream.write(new Uint8Array(1))
      held.push(stream)
    })
  if (task.kind === "call")
    return timeCalls(task.calls, async () => {
      const stream = await connection.outboundStream()
      await stream.write(new Uint8Array(CALL_BYTES))
      await stream.finishWrite()
      await drain(stream)
    })
  const chunk = new Uint8Array(65_536)
  const startedAt = performance.now()
  const stream = await connection.outboundStream()
  for (let sent = 0; sent < task.bytes; sent += chunk.length) await stream.write(chunk)
  await stream.finishWrite()
  await drain(stream)
  return { values: { bitsPerSecond: (8 * task.bytes) / seconds(startedAt) } }
}

export const libp2pQuic: System = {
  kinds: ["bulk", "call", "handshake", "firstByte", "holdConnections", "holdStreams"],
  serve,
  run
}
