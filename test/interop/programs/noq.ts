/** noq, through iroh's binding, as a program: raw public keys both ways, no relay, no discovery. */
import {
  Endpoint,
  type EndpointBuilder,
  EndpointAddr,
  EndpointId,
  RelayMode,
  type RecvStream,
  type SendStream
} from "@number0/iroh"
import { Receipt } from "../Receipt.ts"
import { emit, fail, readTask } from "./program.ts"

const task = readTask()
const chunkBytes = 64 * 1024
const alpn = [...Buffer.from(task.alpn)]

const bind = (): Promise<Endpoint> => {
  const builder: EndpointBuilder = Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(RelayMode.disabled())
  builder.secretKey([...Buffer.from(task.secret, "hex")])
  builder.alpns([alpn])
  builder.bindAddr("127.0.0.1:0")
  return builder.bind()
}

const send = async (stream: SendStream): Promise<void> => {
  for (let at = 0; at < task.file.length; at += chunkBytes) {
    await stream.writeAll([...task.file.subarray(at, at + chunkBytes)])
  }
}

const receive = async (stream: RecvStream, receipt: Receipt): Promise<void> => {
  for (;;) {
    const chunk = await stream.read(chunkBytes)
    if (chunk.length === 0) return emit({ event: "received", ...receipt.received })
    receipt.add(Uint8Array.from(chunk))
  }
}

const runClient = async (endpoint: Endpoint): Promise<void> => {
  const server = EndpointId.fromBytes([...Buffer.from(task.peer, "hex")])
  const address = new EndpointAddr(server, undefined, [`127.0.0.1:${task.port}`])
  const connection = await endpoint.connect(address, alpn)
  const stream = await connection.openBi()
  const request = send(stream.send).then(() => stream.send.finish())
  await Promise.all([request, receive(stream.recv, new Receipt())])
  connection.close(0n, [])
  await endpoint.close()
}

const runServer = async (endpoint: Endpoint): Promise<void> => {
  const [address] = endpoint.boundSockets()
  emit({ event: "listening", port: Number(address.slice(address.lastIndexOf(":") + 1)) })
  for (;;) {
    const incoming = await endpoint.acceptNext()
    if (incoming === null) return
    const connection = await (await incoming.accept()).connect()
    if (task.peer !== "" && Buffer.from(connection.remoteId().toBytes()).toString("hex") !== task.peer) {
      connection.close(1n, [])
      emit({ event: "failed", reason: `a stranger: ${connection.remoteId().toString()}` })
      continue
    }
    const stream = await connection.acceptBi()
    await Promise.all([send(stream.send), receive(stream.recv, new Receipt())])
    await stream.send.finish()
    await connection.closed()
  }
}

const endpoint = await bind()
const run = task.role === "client" ? runClient(endpoint) : runServer(endpoint)
/** The causes are worth reading; where in the binding they came up is not. */
const withoutStack = ({ message }: Error): string =>
  message
    .split("Stack backtrace")[0]
    .replace(/ \([^)]*\.rs[^)]*\)/g, "")
    .replace(/\s+/g, " ")
    .trim()

await run.then(
  () => process.exit(0),
  (error) => fail(withoutStack(error))
)
