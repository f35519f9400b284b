/** The application of ../program.ts over one quiche connection. */
import type { Connection } from "@matrixai/quic/native/types.js"
import { Receipt } from "../../Receipt.ts"
import { emit, type Task } from "../program.ts"

/** One bidirectional stream. */
interface Transfer {
  readonly receipt: Receipt
  sent: number
  peerEnded: boolean
  ended: boolean
}

/** How much must arrive before a key update or migration; see `--migrate`. */
const midwayBytes = 500_000
const chunkBytes = 64 * 1024
const datagramBytes = 1000

export class Conversation {
  /** Whether streams or datagrams have been sent. */
  began = false
  private readonly connection: Connection
  private readonly task: Task
  private readonly move: () => Promise<void>
  private readonly transfers = new Map<number, Transfer>()
  private readonly incoming = Buffer.alloc(chunkBytes)
  private complete = 0
  private arrivedBytes = 0
  private datagrams = 0
  /** Numbers of a client's datagrams not yet echoed; undefined before they are sent. */
  private missing: Set<number> | undefined

  constructor(connection: Connection, task: Task, move: () => Promise<void>) {
    this.connection = connection
    this.task = task
    this.move = move
  }

  turn(): void {
    this.began = true
    this.exchangeDatagrams()
    if (this.task.role === "client" && this.missing!.size === 0) this.open()
    for (const id of this.connection.readable()) this.read(id)
    for (const [id, transfer] of this.transfers) this.write(id, transfer)
  }

  private exchangeDatagrams(): void {
    const { connection } = this
    const { role, datagrams } = this.task
    if (role === "client" && this.missing === undefined) {
      this.missing = new Set(Array.from({ length: datagrams }, (_, number) => number))
      for (const number of this.missing) connection.dgramSendVec(Buffer.alloc(datagramBytes, number))
    }
    while (connection.dgramRecvQueueLen() > 0) {
      const datagram = connection.dgramRecvVec()!
      this.datagrams++
      if (role === "server") connection.dgramSendVec(datagram)
      else if (datagram.length === datagramBytes) this.missing!.delete(datagram[0])
    }
  }

  /** Opens as many streams as the server currently allows, until all are open. */
  private open(): void {
    while (this.transfers.size < this.task.streams && this.connection.peerStreamsLeftBidi() > 0) {
      const id = this.transfers.size * 4
      this.write(id, this.transfer(id))
    }
  }

  private transfer(id: number): Transfer {
    const known = this.transfers.get(id)
    if (known !== undefined) return known
    const transfer = { receipt: new Receipt(), sent: 0, peerEnded: false, ended: false }
    this.transfers.set(id, transfer)
    return transfer
  }

  private read(id: number): void {
    const transfer = this.transfer(id)
    for (;;) {
      const got = this.connection.streamRecv(id, this.incoming)
      if (got === null) return
      const [length, fin] = got
      transfer.receipt.add(this.incoming.subarray(0, length))
      this.onArrival(length)
      if (fin) return this.onPeerEnd(transfer)
    }
  }

  private onArrival(bytes: number): void {
    const before = this.arrivedBytes
    this.arrivedBytes += bytes
    if (!this.task.migrate || before >= midwayBytes || this.arrivedBytes < midwayBytes) return
    void this.move()
  }

  private onPeerEnd(transfer: Transfer): void {
    const { connection, task, datagrams } = this
    transfer.peerEnded = true
    this.complete++
    const isLast = this.complete === task.streams
    if (isLast) emit({ event: "seen", resumed: connection.isResumed(), datagrams })
    emit({ event: "received", ...transfer.receipt.received })
    if (isLast && task.role === "client") connection.close(true, 0, new Uint8Array())
  }

  private write(id: number, transfer: Transfer): void {
    if (transfer.ended) return
    const { role, file } = this.task
    const mayEnd = role === "client" || transfer.peerEnded
    // the last byte is sent with the FIN: quiche 0.18 sometimes forgets a FIN without bytes
    const upTo = mayEnd ? file.length : file.length - 1
    for (;;) {
      const chunk = file.subarray(transfer.sent, Math.min(transfer.sent + chunkBytes, upTo))
      if (chunk.length === 0) return
      const fin = transfer.sent + chunk.length === file.length
      const taken = this.connection.streamSend(id, chunk, fin)
      if (taken === null) return
      transfer.sent += taken
      if (fin && taken === chunk.length) {
        transfer.ended = true
        return
      }
    }
  }
}
