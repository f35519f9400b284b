/** A UDP address as the core sees it: `host` is an IP literal without brackets. */
export interface SocketAddress {
  readonly host: string
  readonly port: number
  readonly family: 4 | 6
}

export const sameAddress = (a: SocketAddress, b: SocketAddress): boolean =>
  a === b || (a.port === b.port && a.host === b.host)

/** `192.0.2.1:443` or `[2001:db8::1]:443`. */
export const formatAddress = ({ host, port, family }: SocketAddress): string =>
  family === 6 ? `[${host}]:${port}` : `${host}:${port}`
