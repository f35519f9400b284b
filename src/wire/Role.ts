/**
 * Which end of a connection: `client` opened it, `server` accepted it.
 *
 * @category models
 * @since 0.1.0
 */
export type Role = "client" | "server"

export const otherRole = (role: Role): Role => (role === "client" ? "server" : "client")
