/**
 * Works on several items at once and gives the results in the order of the items. An item is only asked for while fewer
 * than `most` results wait or are being made, so an unread stream of results reads nothing more; and a result that is
 * there waits for no further item.
 */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  work: (item: Item) => Promise<Result>,
  most: number,
): AsyncGenerator<Result, void> {
  const source = items[Symbol.asyncIterator]();
  const underWay: Promise<Result>[] = [];
  const ask = () => watched(source.next());
  let next: Promise<IteratorResult<Item>> | undefined = ask();
  try {
    for (;;) {
      const [oldest] = underWay;
      if (next && underWay.length < most) {
        const came: IteratorResult<Item> | undefined = await Promise.race([
          next,
          ...(oldest ? [oldest.then(() => undefined)] : []),
        ]);
        if (came) {
          next = came.done ? undefined : ask();
          if (!came.done) underWay.push(watched(work(came.value)));
          continue;
        }
      }
      if (!oldest) return;
      void underWay.shift();
      yield await oldest;
    }
  } finally {
    // Not awaited: it would wait for an item that may never come.
    if (source.return) void watched(Promise.resolve(source.return()));
  }
}

/** It may fail before somebody waits for it. */
function watched<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}
