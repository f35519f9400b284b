/** What errors of the system mean to people. */
import { UdpBindError } from "../../src/capability/UdpPort.ts"

/** Errors that persist for a destination; after others, such as ENOBUFS, the next attempt may succeed. */
export const lastingErrors: Readonly<Record<string, string | undefined>> = {
  EACCES: "broadcast address, or blocked by a firewall",
  EPERM: "blocked by a firewall",
  ENETUNREACH: "no route to its network",
  EHOSTUNREACH: "no route to host",
  EADDRNOTAVAIL: "not reachable from the address this socket is bound to",
  EINVAL: "not reachable, or not from the address this socket is bound to",
  EAFNOSUPPORT: "address family not supported by this system"
}

export const describeSendError = (code: string, message: string): string => {
  const lasting = lastingErrors[code]
  return lasting === undefined ? message : `${lasting} (${message})`
}

const reasons: Readonly<Record<string, UdpBindError["reason"] | undefined>> = {
  EADDRINUSE: "AddressInUse",
  EADDRNOTAVAIL: "AddressNotAvailable",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EINVAL: "InvalidAddress"
}

const advice: Record<UdpBindError["reason"], string> = {
  AddressInUse: "the port is in use; choose another one, or 0 for any free port",
  AddressNotAvailable: "no interface of this machine has this address",
  PermissionDenied: "ports below 1024 need privileges on most systems",
  InvalidAddress: "the host must be an IPv4 or IPv6 address literal and the port between 0 and 65535",
  Unknown: "the system refused"
}

/** `code` is the system's, such as `EADDRINUSE`, or a reason. */
export const bindError = (host: string, port: number, code: string, detail: string): UdpBindError => {
  const reason = code in advice ? (code as UdpBindError["reason"]) : (reasons[code] ?? "Unknown")
  return new UdpBindError({
    reason,
    host,
    port,
    message: `Cannot bind a UDP socket to ${host} port ${port}: ${advice[reason]} (${detail})`
  })
}
