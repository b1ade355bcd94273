/**
 * The origin of a shop's own page on another site: the one that the deployment of these tests lets in.
 */
export const SHOP_ORIGIN = "https://shop.example";
