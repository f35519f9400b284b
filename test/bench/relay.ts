/**
 * A relay in its own process: `node relay.ts`. Asked with `{ port, delayMillis }`, it answers with a UDP port that
 * forwards to `port`, delaying each datagram in both directions, in order and without loss.
 */
import * as dgram from "node:dgram"
import { once } from "node:events"
import type { Side } from "./system.ts"

const LOOPBACK = "127.0.0.1"

const bound = async (): Promise<dgram.Socket> => {
  const socket = dgram.createSocket("udp4")
  socket.bind(0, LOOPBACK)
  await once(socket, "listening")
  return socket
}

const relay = async (port: number, delayMillis: number): Promise<number> => {
  const front = await bound()
  /** Sockets towards the server, by the client's port. */
  const behind = new Map<number, Promise<dgram.Socket>>()
  const openFor = async (client: number): Promise<dgram.Socket> => {
    const socket = await bound()
    socket.on("message", (bytes) => {
      setTimeout(() => front.send(bytes, client, LOOPBACK), delayMillis)
    })
    return socket
  }
  front.on("message", (bytes, { port: client }) => {
    const way = behind.get(client) ?? openFor(client)
    behind.set(client, way)
    setTimeout(() => void way.then((socket) => socket.send(bytes, port, LOOPBACK)), delayMillis)
  })
  return front.address().port
}

process.on("disconnect", () => process.exit(0))
process.on("message", ({ port, delayMillis }: { port: number; delayMillis: number }) => {
  void relay(port, delayMillis).then((front) => process.send!({ port: front } satisfies Side))
})
