/** The ceiling: the same datagrams without any protocol. Losses are ignored; only what arrives counts. */
import * as dgram from "node:dgram"
import { once } from "node:events"
import { seconds, type System, type Task } from "./system.ts"

const lookup = ((
  host: string,
  _options: unknown,
  done: (error: null, host: string, family: number) => void
) => done(null, host, 4)) as never

const bound = async (): Promise<dgram.Socket> => {
  const socket = dgram.createSocket({
    type: "udp4",
    lookup,
    recvBufferSize: 4 << 20,
    sendBufferSize: 4 << 20
  })
  const listening = once(socket, "listening")
  socket.bind(0, "127.0.0.1")
  await listening
  return socket
}

/** A one-byte datagram asks how many bytes have arrived. */
const serve = async (): Promise<number> => {
  const socket = await bound()
  let received = 0
  socket.on("message", (message, from) => {
    if (message.length > 1) received += message.length
    else socket.send(String(received), from.port, from.address)
  })
  return socket.address().port
}

const BATCH = 64
/** The largest UDP payload over IPv4. */
const LARGEST = 65_507

const run = async (task: Extract<Task, { kind: "bulk" }>) => {
  const socket = await bound()
  const datagram = new Uint8Array(task.datagramBytes === "discovered" ? LARGEST : task.datagramBytes)
  const startedAt = performance.now()
  for (let sent = 0; sent < task.bytes; ) {
    for (let i = 0; i < BATCH; i++, sent += datagram.length)
      socket.send(datagram, 0, datagram.length, task.port, "127.0.0.1")
    // paces sending to what the kernel accepts
    await new Promise((resolve) => setImmediate(resolve))
  }
  const ask = setInterval(() => socket.send(new Uint8Array(1), task.port, "127.0.0.1"), 5)
  socket.send(new Uint8Array(1), task.port, "127.0.0.1")
  const [reply] = (await once(socket, "message")) as [Buffer]
  clearInterval(ask)
  return { values: { bitsPerSecond: (8 * Number(reply.toString())) / seconds(startedAt) } }
}

export const nodeDgram: System = {
  kinds: ["bulk"],
  serve,
  run: (task) => run(task as Extract<Task, { kind: "bulk" }>)
}
