/** Which end of a connection: `client` opened it, `server` accepted it. */
export type Role = "client" | "server"

export const otherRole = (role: Role): Role => (role === "client" ? "server" : "client")
