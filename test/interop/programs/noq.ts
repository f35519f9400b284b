/** noq, through iroh's binding, as a program: raw public keys on both sides, no relay, no discovery. */
import {
  type Connection,
  Endpoint,
  type EndpointBuilder,
  EndpointAddr,
  EndpointId,
  RelayMode,
  type RecvStream,
  type SendStream
} from "@number0/iroh"
import { Receipt } from "../Receipt.ts"
import { emit, fail, leave, readTask } from "./program.ts"

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

const receive = async (stream: RecvStream): Promise<Receipt> => {
  const receipt = new Receipt()
  for (;;) {
    const chunk = await stream.read(chunkBytes)
    if (chunk.length === 0) return receipt
    receipt.add(Uint8Array.from(chunk))
  }
}

const report = ({ received }: Receipt): void => emit({ event: "received", ...received })

const repeat = (times: number, one: () => Promise<void>): Promise<unknown> =>
  Promise.all(Array.from({ length: times }, one))

const datagramBytes = 1000

/** Sends datagrams until each has been echoed. */
const callWithDatagrams = async (connection: Connection): Promise<void> => {
  const missing = new Set(Array.from({ length: task.datagrams }, (_, number) => number))
  for (const number of missing) connection.sendDatagram(Array(datagramBytes).fill(number))
  while (missing.size > 0) {
    const datagram = await connection.readDatagram()
    if (datagram.length === datagramBytes) missing.delete(datagram[0])
  }
  emit({ event: "seen", datagrams: task.datagrams })
}

const answerDatagrams = async (connection: Connection): Promise<void> => {
  for (let datagrams = 1; datagrams <= task.datagrams; datagrams++) {
    connection.sendDatagram(await connection.readDatagram())
    emit({ event: "seen", datagrams })
  }
}

const ask = async (connection: Connection): Promise<void> => {
  const stream = await connection.openBi()
  const request = send(stream.send).then(() => stream.send.finish())
  const [receipt] = await Promise.all([receive(stream.recv), request])
  report(receipt)
}

const answer = async (connection: Connection): Promise<void> => {
  const stream = await connection.acceptBi()
  const [receipt] = await Promise.all([receive(stream.recv), send(stream.send)])
  report(receipt)
  await stream.send.finish()
}

const call = async (endpoint: Endpoint): Promise<void> => {
  const server = EndpointId.fromBytes([...Buffer.from(task.peer, "hex")])
  const address = new EndpointAddr(server, undefined, [`127.0.0.1:${task.port}`])
  const connection = await endpoint.connect(address, alpn)
  await callWithDatagrams(connection)
  await repeat(task.streams, () => ask(connection))
  connection.close(0n, [])
}

const runClient = async (endpoint: Endpoint): Promise<void> => {
  await call(endpoint)
  if (task.comeBack !== undefined) await call(endpoint)
  await endpoint.close()
}

const runServer = async (endpoint: Endpoint): Promise<void> => {
  const [address] = endpoint.boundSockets()
  emit({ event: "listening", port: Number(address.slice(address.lastIndexOf(":") + 1)) })
  for (;;) {
    const incoming = await endpoint.acceptNext()
    if (incoming === null) return
    if (task.retry && !(await incoming.remoteAddrValidated())) {
      await incoming.retry()
      continue
    }
    const connection = await (await incoming.accept()).connect()
    if (task.peer !== "" && Buffer.from(connection.remoteId().toBytes()).toString("hex") !== task.peer) {
      connection.close(1n, [])
      emit({ event: "failed", reason: `unexpected peer: ${connection.remoteId().toString()}` })
      continue
    }
    await answerDatagrams(connection)
    await repeat(task.streams, () => answer(connection))
    await connection.closed()
  }
}

const endpoint = await bind()
const run = task.role === "client" ? runClient(endpoint) : runServer(endpoint)
/** The messages of an error and its causes; stack traces into the binding do not help. */
const withoutStack = ({ message }: Error): string =>
  message
    .split("Stack backtrace")[0]
    .replace(/ \([^)]*\.rs[^)]*\)/g, "")
    .replace(/\s+/g, " ")
    .trim()

await run.then(leave, (error) => fail(withoutStack(error)))
