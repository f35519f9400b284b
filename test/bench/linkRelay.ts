/** The middle of a link: relays VXLAN packets between two sides under the conditions that its parent sends. */
import * as dgram from "node:dgram"
import { once } from "node:events"
import { completeChecksum } from "./innerChecksum.ts"

export interface LinkConditions {
  /** Each way. */
  readonly delayMillis: number
  /** The share of packets lost each way, 0 to 1. */
  readonly lossRate?: number
  /** Each way; without it, as fast as it goes. */
  readonly bitsPerSecond?: number
  /** What waits longer for the limited rate is dropped. Default 100. */
  readonly queueMillis?: number
}

const VXLAN_PORT = 4789
const RECEIVE_BYTES = 4_000_000

let conditions: LinkConditions = { delayMillis: 0 }

/** The same losses in each run, as far as the packets are the same. */
let seed = 1
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

/** One direction. The delay is the same for all packets, so they leave in the order in which they came. */
class Way {
  private readonly out: dgram.Socket
  private readonly address: string
  private readonly queue: Array<{ readonly packet: Buffer; readonly dueMillis: number }> = []
  private first = 0
  private freeAtMillis = 0
  private isTimed = false

  constructor(out: dgram.Socket, address: string) {
    this.out = out
    this.address = address
  }

  pass(packet: Buffer): void {
    const { delayMillis, lossRate = 0, bitsPerSecond, queueMillis = 100 } = conditions
    if (lossRate > 0 && random() < lossRate) return
    const now = performance.now()
    if (bitsPerSecond !== undefined) {
      const startMillis = Math.max(now, this.freeAtMillis)
      if (startMillis - now > queueMillis) return
      this.freeAtMillis = startMillis + (8000 * packet.length) / bitsPerSecond
    } else this.freeAtMillis = now
    completeChecksum(packet)
    this.queue.push({ packet, dueMillis: this.freeAtMillis + delayMillis })
    this.send()
  }

  private readonly send = (): void => {
    const { queue } = this
    const now = performance.now()
    for (; this.first < queue.length && queue[this.first].dueMillis <= now; this.first++)
      this.out.send(queue[this.first].packet, VXLAN_PORT, this.address)
    if (this.first === queue.length) {
      queue.length = 0
      this.first = 0
    } else if (!this.isTimed) {
      this.isTimed = true
      setTimeout(() => {
        this.isTimed = false
        this.send()
      }, queue[this.first].dueMillis - now)
    }
  }
}

const bound = async (address: string): Promise<dgram.Socket> => {
  const socket = dgram.createSocket({ type: "udp4", recvBufferSize: RECEIVE_BYTES })
  socket.bind(VXLAN_PORT, address)
  await once(socket, "listening")
  return socket
}

const [near, far] = [await bound("10.98.1.1"), await bound("10.98.2.1")]
const [there, back] = [new Way(far, "10.98.2.2"), new Way(near, "10.98.1.2")]
near.on("message", (packet) => there.pass(packet))
far.on("message", (packet) => back.pass(packet))

process.on("disconnect", () => process.exit(0))
process.on("message", (given: LinkConditions) => {
  conditions = given
  process.send!({})
})
process.send!({})
