//! Parts of the browser's stories about single blocks and coins: broken and mined again, followed, measured.

use super::Tab;

/// A bit of an old block is changed, and the blocks from there on are mined again on a copy.
pub async fn break_and_mine_again(tab: &Tab) {
    tab.go("break/1").await;
    tab.click("Change one bit of it").await;
    tab.until_text("To put it right").await;
    // The browser's own hash of a header is the one that the miner's code finds.
    let different = tab.script(SAME_HASHES).await;
    assert_eq!(different, 0, "headers whose hashes differ");
    tab.click("Mine them again on a copy").await;
    tab.until(
        "some blocks are mined again, each with a hash that meets the target",
        "return [...document.querySelectorAll('td.mono')].filter((cell) => cell.innerText.startsWith('0000')).length >= 4",
    )
    .await;
    tab.picture("mined-again").await;
    tab.is_clean("mined again").await;
}

/// Hashes random headers both ways, and counts those that differ.
const SAME_HASHES: &str = "
  return (async () => {
    const { HeaderHasher, value } = await import('/app/sha256.js'), { hash256, reversed, toHex } = await import('/app/bytes.js');
    let different = 0;
    for (let at = 0; at < 100; at++) {
      const header = crypto.getRandomValues(new Uint8Array(80)), nonce = new DataView(header.buffer).getUint32(76, true);
      const found = value(new HeaderHasher(header).hash(nonce)).toString(16).padStart(64, '0');
      if (found !== reversed(toHex(await hash256(header)))) different++;
    }
    return different;
  })()";

/// From a payment back to where its coins came from and on to the address and its cluster.
pub async fn follow_coins(tab: &Tab) {
    tab.go("network").await;
    tab.click("Pay").await;
    tab.until("the payment is shown", "return location.hash.startsWith('#/explorer/transaction/')").await;
    tab.until_text("Not spent.").await;
    // By itself, once a block has taken it.
    tab.until_text("1 confirmation").await;
    tab.click("Its coinbases").await;
    tab.until_text("first in, first out").await;
    tab.until(
        "the coins lead back to new ones",
        "const closed = [...document.querySelectorAll('.opener > button[aria-expanded=false]')].find((one) => one.innerText.trim() === 'Where it came from');
         closed?.click();
         return document.body.innerText.includes('nothing is before them')",
    )
    .await;
    tab.picture("coins").await;
    tab.is_clean("coins").await;
    tab.script("document.querySelector('.flow a[href*=address]').click()").await;
    tab.until_text("Everything it was paid").await;
    tab.until_text("one owner's; the wallets say:").await;
    tab.is_clean("address").await;
    tab.go("explorer/clusters").await;
    tab.until_text("(precision)").await;
    tab.script("document.querySelector('[data-key=fresh-change]').click()").await;
    tab.until("the rule is off", "return document.querySelector('[data-key=fresh-change]')?.checked === false && document.body.innerText.includes('(recall)')").await;
    tab.picture("clusters").await;
    tab.is_clean("clusters").await;
}

/// Opens a study's table, its plot, and a file that is neither.
pub const RESULTS: &str = "
  const files = new DataTransfer(), csv = `attack,share,confirmations,measure,runs,value,low95,high95,theory
double-spend,0.3,3,rate,1000,0.184,0.161,0.209,0.18
\"double-spend\",0.33,2,rate,1000,0.3,0.27,0.33,0.3
censor,0.3,3,rate,1000,0.5,0.4,0.6,0.5
`;
  files.items.add(new File([csv], 'results.csv'));
  files.items.add(new File([JSON.stringify({ hello: 'world' })], 'notes.json'));
  files.items.add(new File(['<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><script>document.title = 1</script></svg>'], 'plot.svg'));
  const input = document.querySelector('input[type=file]');
  input.files = files.files;
  input.dispatchEvent(new Event('change'));";
