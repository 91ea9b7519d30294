use super::*;

/// A double spend over `length` blocks: the payment at 3, the conflict in secret, shipped at 4, published at the end.
fn story(length: u64) -> BTreeMap<String, ObservedBlock> {
    let block = |height: u64, previous: String, txids: &[&str], seen_s: f64, public_s: Option<f64>| ObservedBlock {
        height,
        previous,
        miner: "<miner>".into(),
        txids: txids.iter().map(|text| (*text).to_owned()).collect(),
        bits: String::new(),
        time: 0,
        seen_s,
        public_s,
    };
    let mut blocks = BTreeMap::new();
    for height in 0..=length {
        let s = height as f64;
        let paid: &[&str] = if height == 3 { &["paid"] } else { &[] };
        let previous = if height == 0 { String::new() } else { format!("p{}", height - 1) };
        blocks.insert(format!("p{height}"), block(height, previous, paid, s, Some(s)));
        if height >= 3 {
            let held: &[&str] = if height == 3 { &["conflict"] } else { &[] };
            let previous = if height == 3 { "p2".to_owned() } else { format!("s{}", height - 1) };
            blocks.insert(format!("s{height}"), block(height, previous, held, s, Some(length as f64 + 1.0)));
        }
    }
    blocks.insert(
        format!("s{}", length + 1),
        block(length + 1, format!("s{length}"), &[], 99.0, Some(length as f64 + 1.0)),
    );
    blocks
}

fn draw(length: u64) -> String {
    let blocks = story(length);
    let kept =
        (0..3).map(|height| format!("p{height}")).chain((3..=length + 1).map(|height| format!("s{height}"))).collect();
    let marks = [(3.0, "pays".to_owned()), (4.0, SHIPS.to_owned()), (length as f64, "publishes".to_owned())];
    let held = Held { paid: Some("paid"), conflicting: Some("conflict") };
    Picture { blocks: &blocks, kept, marks: &marks, held }.draw("double-spend: a <test>")
}

/// The number of an attribute.
fn number(line: &str, name: &str) -> f64 {
    let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name} in {line}"));
    rest.split('"').next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} in {line}"))
}

#[test]
fn every_part_of_the_story_is_marked_once() {
    let svg = draw(6);
    for word in [">payment<", ">conflict<", ">shipped<", ">published<"] {
        assert_eq!(svg.matches(word).count(), 1, "{word}");
    }
    // Blocks 3 to 6 of the public branch are reversed; 7 would be the secret branch's.
    assert_eq!(svg.matches("stroke=\"#b3261e\" stroke-width=\"2\"/>").count(), 4);
    assert!(svg.contains("a &lt;test&gt;") && !svg.contains("<test>") && !svg.contains("<miner>"));
}

#[test]
fn sixty_blocks_are_readable() {
    let svg = draw(60);
    let boxes: Vec<(f64, f64)> = svg
        .lines()
        .filter(|line| line.starts_with("<rect x="))
        .map(|line| (number(line, "x"), number(line, "y")))
        .collect();
    assert_eq!(boxes.len(), 60 + 59);
    for (at, a) in boxes.iter().enumerate() {
        for b in &boxes[at + 1..] {
            assert!((a.0 - b.0).abs() >= BOX.0 || (a.1 - b.1).abs() >= BOX.1, "{a:?} and {b:?} overlap");
        }
    }
    let (width, height) = (number(&svg, "width"), number(&svg, "height"));
    assert!(width < 1_300.0 && boxes.iter().all(|(x, y)| x + BOX.0 < width && y + BOX.1 < height));
    // No two texts on one line run into each other: 7 pixels a character is wide for this size.
    let mut texts: Vec<(f64, f64, f64)> = Vec::new();
    for line in svg.lines().filter(|line| line.starts_with("<text") && !line.contains("font-size")) {
        let words = line.split('>').nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        let half = if line.contains("middle") { 0.5 } else { 0.0 };
        let long = 6.2 * words.chars().count() as f64;
        texts.push((number(line, "y"), number(line, "x") - half * long, long));
    }
    texts.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for pair in texts.windows(2) {
        assert!(pair[0].0 < pair[1].0 || pair[0].1 + pair[0].2 <= pair[1].1, "{pair:?} overlap");
    }
}
