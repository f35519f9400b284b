/** quiche as a program: its sans-IO connections on `node:dgram` sockets. See ../program.ts for the protocol. */
import { randomBytes } from "node:crypto"
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import quiche from "@matrixai/quic/native/quiche.js"
import type { Header, Host } from "@matrixai/quic/native/types.js"
import { emit, fail, leave, readTask } from "../program.ts"
import { makeConfig } from "./config.ts"
import { connectionIdBytes, Driver, type DriverContext } from "./Driver.ts"

const task = readTask()
const config = makeConfig(task)
const host = "127.0.0.1"
const bufferBytes = 4 * 1024 * 1024

/** By local port: one for a server, one more for each migration of a client. */
const sockets = new Map<number, Socket>()
let unsent = 0
let whenSent: (() => void) | undefined

const send = (datagram: Buffer, from: Host, to: Host): void => {
  unsent++
  sockets.get(from.port)!.send(datagram, to.port, to.host, () => {
    unsent--
    if (unsent === 0) whenSent?.()
  })
}

const everythingSent = (): Promise<void> =>
  new Promise((resolve) => {
    if (unsent === 0) resolve()
    else whenSent = resolve
  })

const bind = (receive: (datagram: Buffer, from: Host, to: Host) => void): Promise<Host> =>
  new Promise((resolve) => {
    const socket = createSocket({ type: "udp4", recvBufferSize: bufferBytes, sendBufferSize: bufferBytes })
    socket.bind(0, host, () => {
      const here = { host, port: socket.address().port }
      sockets.set(here.port, socket)
      socket.on("message", (datagram, { address, port }: RemoteInfo) =>
        receive(datagram, { host: address, port }, here)
      )
      resolve(here)
    })
  })

const randomId = () => randomBytes(connectionIdBytes)

/** Runs one connection: takes a session to resume, returns the new session. */
const call = (session: Uint8Array | undefined): Promise<Uint8Array | undefined> =>
  new Promise((resolve) => {
    let driver: Driver | undefined
    const bindAnother = () => bind((datagram, from, to) => driver?.receive(datagram, from, to))
    const context: DriverContext = {
      task,
      send,
      bindAnother,
      onId: () => {},
      onEnd: ({ connection }, clean) => {
        if (clean) resolve(connection.session() ?? undefined)
        else process.exit(1)
      }
    }
    void bindAnother().then((here) => {
      const there = { host, port: task.port }
      const connection = quiche.Connection.connect(task.serverName, randomId(), here, there, config)
      if (session !== undefined) connection.setSession(session)
      driver = new Driver(connection, context)
      driver.turn()
    })
  })

const runClient = async (): Promise<void> => {
  const session = await call(undefined)
  if (task.comeBack !== undefined)
    await call(session ?? fail("the first connection left no session to resume"))
  await everythingSent()
  leave()
}

/** A token holds the client's address and the original destination connection ID. */
const mintToken = (from: Host, id: Uint8Array) => Buffer.from(JSON.stringify([from, [...id]]))

const readToken = (from: Host, token: Uint8Array): Uint8Array | undefined => {
  try {
    const [{ host, port }, id] = JSON.parse(Buffer.from(token).toString())
    return host === from.host && port === from.port ? Uint8Array.from(id) : undefined
  } catch {
    return undefined
  }
}

const runServer = async (): Promise<void> => {
  const drivers = new Map<string, Driver>()
  const key = (id: Uint8Array) => Buffer.from(id).toString("hex")
  const context: DriverContext = {
    task,
    send,
    bindAnother: undefined,
    onId: (id, driver) => (driver ? drivers.set(key(id), driver) : drivers.delete(key(id))),
    onEnd: () => {}
  }
  const out = Buffer.alloc(quiche.MAX_DATAGRAM_SIZE)
  /** Handles a datagram of an unknown connection: accepts it, or answers with Retry or Version Negotiation. */
  const accept = ({ ty, version, dcid, scid, token = new Uint8Array() }: Header, from: Host, to: Host) => {
    const answer = (length: number) => void send(Buffer.from(out.subarray(0, length)), to, from)
    if (ty === quiche.Type.Short) return undefined
    if (!quiche.versionIsSupported(version)) return answer(quiche.negotiateVersion(scid, dcid, out))
    if (ty !== quiche.Type.Initial) return undefined
    const called = task.retry ? readToken(from, token) : undefined
    if (task.retry && called === undefined)
      return answer(quiche.retry(scid, dcid, randomId(), mintToken(from, dcid), version, out))
    const id = called === undefined ? randomId() : dcid
    const connection = quiche.Connection.accept(id, called, to, from, config)
    const driver = new Driver(connection, context)
    context.onId(dcid, driver)
    context.onId(id, driver)
    return driver
  }
  const { port } = await bind((datagram, from, to) => {
    const header = quiche.Header.fromSlice(datagram, connectionIdBytes)
    const driver = drivers.get(key(header.dcid)) ?? accept(header, from, to)
    driver?.receive(datagram, from, to)
  })
  emit({ event: "listening", port })
}

process.on("uncaughtException", fail)
await (task.role === "client" ? runClient() : runServer())
