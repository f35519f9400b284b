/** quiche as a program: its sans-IO connection behind a `node:dgram` socket. */
import { randomBytes } from "node:crypto"
import { createSocket, type RemoteInfo } from "node:dgram"
import type { AddressInfo } from "node:net"
import quiche from "@matrixai/quic/native/quiche.js"
import type { Config, Connection, ConnectionError } from "@matrixai/quic/native/types.js"
import { Receipt } from "../Receipt.ts"
import { emit, fail, readTask } from "./program.ts"

const task = readTask()
const host = "127.0.0.1"
const MiB = 1024 * 1024
const connectionIdBytes = 16

const makeConfig = (): Config => {
  const config = new quiche.Config()
  if (task.cert !== "") {
    config.loadCertChainFromPemFile(task.cert)
    config.loadPrivKeyFromPemFile(task.key)
  }
  if (task.ca !== "") config.loadVerifyLocationsFromFile(task.ca)
  config.verifyPeer(task.ca !== "")
  config.setApplicationProtos([task.alpn])
  config.setMaxIdleTimeout(10_000)
  config.setMaxRecvUdpPayloadSize(1500)
  config.setMaxSendUdpPayloadSize(1500)
  config.setInitialMaxData(4 * MiB)
  config.setInitialMaxStreamDataBidiLocal(MiB)
  config.setInitialMaxStreamDataBidiRemote(MiB)
  config.setInitialMaxStreamDataUni(MiB)
  config.setInitialMaxStreamsBidi(16)
  config.setInitialMaxStreamsUni(16)
  config.setActiveConnectionIdLimit(4)
  config.grease(true)
  if (process.env.SSLKEYLOGFILE !== undefined) config.logKeys()
  return config
}

/** One stream, both ways. */
interface Transfer {
  readonly receipt: Receipt
  sent: number
  peerEnded: boolean
  ended: boolean
}

class Driver {
  private readonly connection: Connection
  private readonly local: { host: string; port: number }
  private readonly remote: { host: string; port: number }
  private readonly transfers = new Map<number, Transfer>()
  private readonly incoming = Buffer.alloc(64 * 1024)
  private readonly outgoing = Buffer.alloc(1500)
  private timer: NodeJS.Timeout | undefined
  private opened = false
  private turnIsDue = false
  private unsent = 0
  private exitCode: number | undefined

  constructor(connection: Connection, remotePort: number) {
    this.connection = connection
    this.local = { host, port: socket.address().port }
    this.remote = { host, port: remotePort }
    const keyLog = process.env.SSLKEYLOGFILE
    if (keyLog !== undefined) connection.setKeylog(keyLog)
  }

  receive(datagram: Uint8Array): void {
    try {
      this.connection.recv(datagram, { from: this.remote, to: this.local })
    } catch (error) {
      if (!this.connection.isClosed() && this.connection.localError() === null) fail(error)
    }
    this.turnSoon()
  }

  /** Once for all the datagrams that are there. */
  private turnSoon(): void {
    if (this.turnIsDue) return
    this.turnIsDue = true
    setImmediate(() => {
      this.turnIsDue = false
      this.turn()
    })
  }

  /** Everything there is to do after something has happened. */
  turn(): void {
    const { connection } = this
    if (connection.isEstablished()) {
      if (task.role === "client" && !this.opened) this.transfer(0)
      this.opened = true
      for (const id of connection.readable()) this.read(id)
      for (const [id, transfer] of this.transfers) this.write(id, transfer)
    }
    this.flush()
    clearTimeout(this.timer)
    const timeout = connection.timeout()
    if (timeout !== null) {
      this.timer = setTimeout(() => {
        connection.onTimeout()
        this.turn()
      }, timeout)
    }
    if (connection.isClosed() || connection.isDraining()) this.end()
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
      if (fin) {
        transfer.peerEnded = true
        emit({ event: "received", ...transfer.receipt.received })
        if (task.role === "client") this.connection.close(true, 0, new Uint8Array())
        return
      }
    }
  }

  private write(id: number, transfer: Transfer): void {
    if (transfer.ended) return
    const mayEnd = task.role === "client" || transfer.peerEnded
    for (;;) {
      const chunk = task.file.subarray(transfer.sent, transfer.sent + 64 * 1024)
      const fin = mayEnd && transfer.sent + chunk.length === task.file.length
      if (chunk.length === 0 && !fin) return
      const taken = this.connection.streamSend(id, chunk, fin)
      if (taken === null) return
      transfer.sent += taken
      if (fin && taken === chunk.length) {
        transfer.ended = true
        return
      }
    }
  }

  private flush(): void {
    for (;;) {
      const sent = this.connection.send(this.outgoing)
      if (sent === null) return
      this.unsent++
      socket.send(Buffer.from(this.outgoing.subarray(0, sent[0])), this.remote.port, host, () => {
        this.unsent--
        this.leave()
      })
    }
  }

  private end(): void {
    if (this.exitCode !== undefined) return
    const error: ConnectionError | null = this.connection.localError() ?? this.connection.peerError()
    const clean = error === null ? this.opened : error.isApp && error.errorCode === 0
    const text = error && `${Buffer.from(error.reason).toString()} (error ${error.errorCode})`
    if (!clean) {
      emit({ event: "failed", reason: text ?? (this.connection.isTimedOut() ? "timed out" : "closed early") })
    }
    this.exitCode = clean ? 0 : 1
    this.leave()
  }

  /** A client's work is over when what it sent last, the CONNECTION_CLOSE, is on its way. */
  private leave(): void {
    if (task.role === "client" && this.exitCode !== undefined && this.unsent === 0)
      process.exit(this.exitCode)
  }
}

const socket = createSocket({ type: "udp4", recvBufferSize: 4 * MiB, sendBufferSize: 4 * MiB })
const config = makeConfig()
const drivers = new Map<string, Driver>()

const accept = (datagram: Buffer, { port }: RemoteInfo): void => {
  const header = quiche.Header.fromSlice(datagram, connectionIdBytes)
  const destination = Buffer.from(header.dcid).toString("hex")
  let driver = drivers.get(destination)
  if (driver === undefined) {
    const id = randomBytes(connectionIdBytes)
    const local = { host, port: socket.address().port }
    const connection = quiche.Connection.accept(id, null, local, { host, port }, config)
    driver = new Driver(connection, port)
    drivers.set(destination, driver)
    drivers.set(id.toString("hex"), driver)
  }
  driver.receive(datagram)
}

socket.bind(0, host, () => {
  const { port } = socket.address() as AddressInfo
  if (task.role === "server") {
    socket.on("message", accept)
    emit({ event: "listening", port })
    return
  }
  const id = randomBytes(connectionIdBytes)
  const local = { host, port }
  const connection = quiche.Connection.connect(task.serverName, id, local, { host, port: task.port }, config)
  const driver = new Driver(connection, task.port)
  socket.on("message", (datagram) => driver.receive(datagram))
  driver.turn()
})
process.on("uncaughtException", fail)
