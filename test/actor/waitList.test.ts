import { describe, expect, it } from "vitest"
import { WaitList } from "../../src/actor/WaitList.ts"

describe("a wait list", () => {
  const listOf = (count: number) => {
    const list = new WaitList()
    const woken: Array<number> = []
    const leave = Array.from({ length: count }, (_, i) => list.listen(() => woken.push(i)))
    return { list, woken, leave }
  }

  it("wakes each waiter once, in order, but not those who have left", () => {
    const { list, woken, leave } = listOf(6)
    for (const i of [0, 3, 5]) leave[i]()
    leave[3]()
    expect(list.size).toBe(3)
    list.wakeAll()
    list.wakeAll()
    expect([woken, list.size]).toEqual([[1, 2, 4], 0])
    for (const each of leave) each()
    expect(list.size).toBe(0)
  })

  it("does not wake waiters added while it wakes", () => {
    const list = new WaitList()
    let wakes = 0
    const again = (): void => {
      wakes++
      list.listen(again)
    }
    for (let i = 0; i < 3; i++) list.listen(again)
    list.wakeAll()
    expect([wakes, list.size]).toEqual([3, 3])
  })

  it("allows a woken waiter to remove others", () => {
    const { list, woken, leave } = listOf(2)
    list.listen(() => {
      for (const each of leave) each()
    })
    const last = list.listen(() => woken.push(9))
    list.listen(last)
    list.wakeAll()
    expect([woken, list.size]).toEqual([[0, 1, 9], 0])
    list.listen(() => woken.push(10))
    last()
    expect(list.size).toBe(1)
  })

  it("is empty when all have left, from either end", () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2]
    ]) {
      const { list, woken, leave } = listOf(3)
      for (const i of order) leave[i]()
      list.listen(() => woken.push(7))
      list.wakeAll()
      expect(woken).toEqual([7])
    }
  })
})
