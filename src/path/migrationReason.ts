/**
 * Why a connection moves a path to other addresses.
 *
 * **Details**
 *
 * - `ActiveMigration`: the client's application asked for it. RFC 9000 §9.2
 * - `NatRebinding`: the peer's address changed without its doing. RFC 9000 §9.3
 * - `PreferredAddress`: the server prefers another address. RFC 9000 §9.6
 * - `RelayFallback`: the direct path does not work
 * - `MobileChurn`: the client's network interfaces changed, or its server does not answer any more
 *
 * @category models
 * @since 0.1.0
 */
export type MigrationReason =
  | "ActiveMigration"
  | "NatRebinding"
  | "PreferredAddress"
  | "RelayFallback"
  | "MobileChurn"
