/** What native code has allocated for objects here: freed by them, or some time after they have been collected. */
export class Owned {
  private readonly release: (pointer: bigint) => void
  private readonly abandoned: FinalizationRegistry<bigint>

  constructor(release: (pointer: bigint) => void) {
    this.release = release
    this.abandoned = new FinalizationRegistry(release)
  }

  add(owner: object, pointer: bigint): void {
    this.abandoned.register(owner, pointer, owner)
  }

  free(owner: object, pointer: bigint): void {
    this.abandoned.unregister(owner)
    this.release(pointer)
  }
}
