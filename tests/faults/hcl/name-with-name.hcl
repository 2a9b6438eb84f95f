name "shop" {
}
