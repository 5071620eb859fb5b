use std::collections::HashMap;
use std::io::{self, Read};
use std::process::Command;
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("arguments {} {}", arguments.len(), arguments.join("|"));
    println!("id {}", std::env::var("__OW_ACTIVATION_ID").unwrap_or_default());
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::new(Mutex::new(0));
    for number in 0..8 {
        let (sender, shared) = (sender.clone(), shared.clone());
        thread::spawn(move || {
            *shared.lock().unwrap() += number;
            sender.send(number * number).unwrap();
        });
    }
    drop(sender);
    println!("squares {} sum {}", receiver.iter().sum::<i32>(), shared.lock().unwrap());
    let mut words = HashMap::new();
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    for word in text.split(',') {
        *words.entry(word.to_string()).or_insert(0) += 1;
    }
    println!("words {}", words.len());
    let output = Command::new("/bin/sh").args(["-c", "echo from sh"]).output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    let caught = std::panic::catch_unwind(|| panic!("in between"));
    println!("caught {}", caught.is_err());
    std::process::exit(8);
}
