/**
 * The NAT matrix: which pairs of NATs let two peers reach each other directly, by theory. The simulator and the kernel's
 * NATs are held to the same table.
 *
 * What decides is what each side has to know of the other. A filter that only looks at addresses lets in whatever comes from
 * the outside address of the other side, whichever port it has got there; one that looks at ports as well has to be opened
 * for that very port, so a mapping that depends on the destination has to be predicted, and cannot be where it is random.
 */

/** Where a host stands. */
export const kinds = [
  "none",
  "full-cone",
  "address-restricted",
  "port-restricted",
  "symmetric-sequential",
  "symmetric-random",
  "udp-blocked"
] as const

export type Kind = (typeof kinds)[number]

/**
 * `lucky`: relayed, unless a probe hits one port in 64,512. What cannot be direct at all is `relayed`.
 */
export type Expectation = "direct" | "relayed" | "lucky"

const isSymmetric = (kind: Kind): boolean => kind.startsWith("symmetric")

/** Whether who sends to it has to be known by address and port before. */
const filtersPorts = (kind: Kind): boolean => kind === "port-restricted" || isSymmetric(kind)

export const expectation = (client: Kind, server: Kind): Expectation => {
  if (client === "udp-blocked" || server === "udp-blocked") return "relayed"
  const [a, b] = isSymmetric(client) ? [client, server] : [server, client]
  if (!isSymmetric(a) || !filtersPorts(b)) return "direct"
  return a === "symmetric-sequential" && !isSymmetric(b) ? "direct" : "lucky"
}

/** Both roles of every pair. */
export const cells: ReadonlyArray<{
  readonly client: Kind
  readonly server: Kind
  readonly expected: Expectation
}> = kinds.flatMap((client) =>
  kinds.map((server) => ({ client, server, expected: expectation(client, server) }))
)
