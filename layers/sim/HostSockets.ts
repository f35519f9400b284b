/** The sockets and ports bound on a host. */
import { type UdpBindOptions, UdpBindError } from "../../src/capability/UdpPort.ts"
import { isWildcard } from "../../src/wire/destination.ts"
import { type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"
import { familyOf } from "../udp/hostLiteral.ts"
import { type SocketHost, SimUdpSocket } from "./SimUdpSocket.ts"

const firstEphemeralPort = 49_152
const lastPort = 65_535

/** What binding needs of the host. */
export interface BindingHost extends SocketHost {
  readonly addresses: ReadonlyArray<string>
  readonly isUp: boolean
}

export class HostSockets {
  private readonly host: BindingHost
  private sockets: Array<SimUdpSocket> = []
  private nextPort = firstEphemeralPort

  constructor(host: BindingHost) {
    this.host = host
  }

  get count(): number {
    return this.sockets.length
  }

  /** The socket that receives datagrams to this address. */
  at(address: SocketAddress): SimUdpSocket | undefined {
    return this.sockets.find((socket) => socket.takes(address))
  }

  bind(options: UdpBindOptions): SimUdpSocket | UdpBindError {
    const asked = options.host ?? "0.0.0.0"
    const port = options.port || this.freePort()
    const host = socketAddress(asked, port)?.host ?? asked
    const refusal = this.refusal(host, port, host === "::" && options.ipv6Only !== true)
    if (refusal !== undefined) return refusal
    const socket = new SimUdpSocket(this.host, { host, port, family: familyOf(host) }, options)
    this.sockets.push(socket)
    return socket
  }

  close(socket: SimUdpSocket): void {
    this.sockets = this.sockets.filter((other) => other !== socket)
    socket.close()
  }

  closeAll(): void {
    for (const socket of this.sockets) socket.close()
    this.sockets = []
  }

  /** Sends the datagrams queued while the host accepted none. */
  release(): void {
    for (const socket of [...this.sockets]) socket.release()
  }

  private refusal(host: string, port: number, takesBoth: boolean): UdpBindError | undefined {
    const { addresses, isUp, name } = this.host
    const fail = (reason: UdpBindError["reason"], why: string): UdpBindError =>
      new UdpBindError({ reason, host, port, message: `Cannot bind ${host} port ${port} on ${name}: ${why}` })
    if (!isUp) return fail("AddressNotAvailable", "the host is down")
    if (!Number.isInteger(port) || port < 0 || port > lastPort) {
      return fail("InvalidAddress", "the port must be an integer from 0 to 65535")
    }
    if (!isWildcard(host) && !addresses.includes(host)) {
      return fail("AddressNotAvailable", `the host has only ${addresses.join(", ")}`)
    }
    const rival = this.sockets.some(
      (socket) =>
        socket.localAddress.port === port &&
        (socket.localAddress.host === host ||
          (socket.acceptsAnyAddress && socket.speaks(familyOf(host))) ||
          (isWildcard(host) && (takesBoth || socket.speaks(familyOf(host)))))
    )
    return rival ? fail("AddressInUse", "the port is in use") : undefined
  }

  /** The next free port; if all are in use, returns one that is then refused. */
  private freePort(): number {
    for (let i = firstEphemeralPort; i < lastPort && this.isTaken(this.nextPort); i++) this.advance()
    const port = this.nextPort
    this.advance()
    return port
  }

  private advance(): void {
    this.nextPort = this.nextPort === lastPort ? firstEphemeralPort : this.nextPort + 1
  }

  private isTaken(port: number): boolean {
    return this.sockets.some(({ localAddress }) => localAddress.port === port)
  }
}
