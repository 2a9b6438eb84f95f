A repository of another team has no example service.

  $ strongroom store
  error: no example service was started; declare one of gaara-store, orders-mail in dev, and run: strongroom up
  [1]
