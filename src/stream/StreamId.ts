import type { Role } from "../wire/Role.ts"

/** Stream IDs of a kind increase by four; the two low bits are the kind. RFC 9000 §2.1 */
export const isUnidirectional = (id: number): boolean => id % 4 >= 2

export const isServerInitiated = (id: number): boolean => id % 2 === 1

/** 0 client bidirectional, 1 server bidirectional, 2 client unidirectional, 3 server unidirectional. */
export type StreamKind = 0 | 1 | 2 | 3

export const kindOf = (id: number): StreamKind => (id % 4) as StreamKind

export const kindOpenedBy = (role: Role, unidirectional: boolean): StreamKind =>
  ((unidirectional ? 2 : 0) + (role === "server" ? 1 : 0)) as StreamKind

/** Position within its kind, from 0. */
export const indexOf = (id: number): number => Math.floor(id / 4)

export const idAt = (kind: StreamKind, index: number): number => index * 4 + kind

/** The largest number of streams of a kind that can be numbered. RFC 9000 §4.6 */
export const maxStreamCount = 2 ** 60
